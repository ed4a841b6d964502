"""What a fine-tuning job is to do: the spec of its row in the table of jobs."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

from cluster.tuned.names import TunedName
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.rows.parse import Method

KIND: Final = "fine_tuning"


@dataclass(frozen=True, slots=True)
class TuningSpec:
    """``tuned_model``: the name that the result will have. ``date``: of creation, ``2026-11-22``, for templates that write one."""

    model: str
    tuned_model: str
    method: Method
    hyperparameters: Hyperparameters
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    date: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, spec: dict[str, Any]) -> TuningSpec:
        return cls(
            **{
                **spec,
                "method": Method(spec["method"]),
                "hyperparameters": Hyperparameters.of(spec["hyperparameters"]),
            }
        )


def new_job_id() -> str:
    return f"ftjob-{secrets.token_hex(16)}"


def new_checkpoint_id() -> str:
    return f"ftckpt_{secrets.token_hex(16)}"


def checkpoint_name(tuned_model: str, step: int) -> str:
    """Raises ``ValueError`` for what is no name of a tuned model."""
    name = TunedName.parse(tuned_model)
    if name is None:
        raise ValueError(f"{tuned_model!r} is no name of a tuned model")
    return str(name.checkpoint(step))
