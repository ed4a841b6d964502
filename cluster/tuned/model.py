"""A tuned model as its organization sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.engine.contract import Adapter, AdapterFile
from cluster.store.tables import TunedModelRow
from cluster.tuned.weights import StoredWeights


class Kind(StrEnum):
    ADAPTER = "adapter"
    """Low-rank matrices that the engine of the base model adds to its weights while it answers."""
    MERGED = "merged"
    """Weights of its own, served by engines of its own: those of the base model, from the cluster's next start on."""


class State(StrEnum):
    """``uploading`` → (``probation`` →) ``ready`` → ``deleting`` → gone. Only ready ones can be seen; the sweeper ends what stays
    in between. One on probation is asked for by whoever examines it, and by nobody else."""

    UPLOADING = "uploading"
    PROBATION = "probation"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class TunedModel:
    """``created_at``: Unix seconds. ``job_id``, ``checkpoint_step``: where it comes from, if that is known.

    ``adapter`` of one kind, ``weights`` of the other. ``size_bytes``: of all its files.
    """

    name: str
    org_id: str
    base_model: str
    kind: Kind
    adapter: Adapter | None
    created_at: int
    job_id: str | None = None
    checkpoint_step: int | None = None
    state: State = State.READY
    weights: StoredWeights | None = None
    size_bytes: int = 0

    @classmethod
    def of(cls, row: TunedModelRow) -> TunedModel:
        kind = Kind(row.kind)
        return cls(
            name=row.name,
            org_id=row.org_id,
            base_model=row.base_model,
            kind=kind,
            adapter=_adapter(row) if kind is Kind.ADAPTER else None,
            weights=StoredWeights(row.location, row.config_sha256, row.config_bytes) if kind is Kind.MERGED else None,
            size_bytes=row.config_bytes + row.weights_bytes,
            created_at=row.created_us // 1_000_000,
            job_id=row.job_id,
            checkpoint_step=row.checkpoint_step,
            state=State(row.state),
        )


def _adapter(row: TunedModelRow) -> Adapter:
    config_key, weights_key = object_keys(row.location)
    return Adapter(
        name=row.name,
        rank=row.rank,
        config=AdapterFile(config_key, row.config_sha256, row.config_bytes),
        weights=AdapterFile(weights_key, row.weights_sha256, row.weights_bytes),
    )


def object_keys(location: str) -> tuple[str, str]:
    """Where configuration and weights of an adapter are in the object store."""
    return f"{location}/config", f"{location}/weights"
