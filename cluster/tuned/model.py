"""A tuned model as its organization sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.engine.contract import Adapter, AdapterFile
from cluster.store.tables import TunedModelRow


class Kind(StrEnum):
    ADAPTER = "adapter"
    """Low-rank matrices that the engine of the base model adds to its weights while it answers."""


class State(StrEnum):
    """``uploading`` → (``probation`` →) ``ready`` → ``deleting`` → gone. Only ready ones can be seen; the sweeper ends what stays
    in between. One on probation is asked for by whoever examines it, and by nobody else."""

    UPLOADING = "uploading"
    PROBATION = "probation"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class TunedModel:
    """``created_at``: Unix seconds. ``job_id``, ``checkpoint_step``: where it comes from, if that is known."""

    name: str
    org_id: str
    base_model: str
    kind: Kind
    adapter: Adapter
    created_at: int
    job_id: str | None = None
    checkpoint_step: int | None = None
    state: State = State.READY

    @classmethod
    def of(cls, row: TunedModelRow) -> TunedModel:
        config_key, weights_key = object_keys(row.location)
        return cls(
            name=row.name,
            org_id=row.org_id,
            base_model=row.base_model,
            kind=Kind(row.kind),
            adapter=Adapter(
                name=row.name,
                rank=row.rank,
                config=AdapterFile(config_key, row.config_sha256, row.config_bytes),
                weights=AdapterFile(weights_key, row.weights_sha256, row.weights_bytes),
            ),
            created_at=row.created_us // 1_000_000,
            job_id=row.job_id,
            checkpoint_step=row.checkpoint_step,
            state=State(row.state),
        )


def object_keys(location: str) -> tuple[str, str]:
    """Where configuration and weights of an adapter are in the object store."""
    return f"{location}/config", f"{location}/weights"
