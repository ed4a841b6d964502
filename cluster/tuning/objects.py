"""Jobs, events and checkpoints in OpenAI's shape.

| State of the job             | ``status``         |
|------------------------------|--------------------|
| queued, never begun          | validating_files   |
| queued, running, …           | as far as it came: validating_files, queued, running |
| pausing, paused, cancelling  | the same; OpenAI has no word for it, so that the log of events says it, and ``paused`` |
| succeeded, failed, cancelled | the same           |
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from cluster.jobs.model import Job, JobEvent, JobState
from cluster.store.tables import FineTuningCheckpointRow
from cluster.tuning.hyperparameters import Hyperparameters
from cluster.tuning.rows.parse import Method
from cluster.tuning.spec import TuningSpec
from cluster.tuning.trainer import StepMetrics

_EVENT_PREFIX: Final = "ftevent-"
_JOB_EVENT_PREFIX: Final = "jobev_"


class Status(StrEnum):
    VALIDATING_FILES = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the job's row shows of it. ``hyperparameters``: resolved, once they are. ``estimated_finish``: Unix seconds."""

    status: Status = Status.VALIDATING_FILES
    hyperparameters: dict[str, Any] | None = None
    estimated_finish: int | None = None
    step: int = 0
    total_steps: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, progress: dict[str, Any]) -> Progress:
        return cls(**{**progress, "status": Status(progress["status"])}) if progress else cls()


def job_object(job: Job) -> dict[str, Any]:
    """OpenAI's ``FineTuningJob``, and ``paused``."""
    spec, progress, result = TuningSpec.of(job.spec), Progress.of(job.progress), job.result or {}
    method = spec.method
    resolved = progress.hyperparameters
    values = resolved if resolved is not None else spec.hyperparameters.to_json(method)
    status = _status(job.state, progress)
    shown: dict[str, Any] = {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": spec.model,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "fine_tuned_model": result.get("fine_tuned_model"),
        "organization_id": job.organization_id,
        "result_files": result.get("result_files", []),
        "status": status,
        "validation_file": spec.validation_file,
        "training_file": spec.training_file,
        "hyperparameters": Hyperparameters.of(values).to_json(Method.SUPERVISED),
        "method": {"type": method, str(method): {"hyperparameters": values}},
        "trained_tokens": result.get("trained_tokens"),
        "error": None,
        "integrations": [],
        "seed": spec.seed,
        "estimated_finish": progress.estimated_finish if status is Status.RUNNING else None,
        "metadata": spec.metadata,
    }
    if job.error is not None:
        shown["error"] = {"code": job.error.code, "message": job.error.message, "param": job.error.param}
    if job.state is JobState.PAUSED:
        shown["paused"] = True
    return shown


def _status(state: JobState, progress: Progress) -> Status:
    return Status(state.value) if state.finished else progress.status


def event_object(event: JobEvent) -> dict[str, Any]:
    """OpenAI's ``FineTuningJobEvent``."""
    return {
        "object": "fine_tuning.job.event",
        "id": _EVENT_PREFIX + event.id.removeprefix(_JOB_EVENT_PREFIX),
        "created_at": event.created_at,
        "level": event.level,
        "message": event.message,
        "type": "metrics" if event.type == "metrics" else "message",
        "data": event.data,
    }


def event_cursor(event_id: str) -> str:
    """The id of the job's event that is shown as ``event_id``."""
    return _JOB_EVENT_PREFIX + event_id.removeprefix(_EVENT_PREFIX)


def checkpoint_object(row: FineTuningCheckpointRow) -> dict[str, Any]:
    """OpenAI's ``FineTuningJobCheckpoint``."""
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row.id,
        "created_at": row.created_at,
        "fine_tuned_model_checkpoint": row.model,
        "fine_tuning_job_id": row.job_id,
        "metrics": msgspec.json.decode(row.metrics),
        "step_number": row.step,
    }


def metrics_data(metrics: StepMetrics) -> dict[str, Any]:
    """Figures of a step, those that there are."""
    return {name: value for name, value in asdict(metrics).items() if value is not None}


def metrics_message(metrics: StepMetrics) -> str:
    figures = [("training loss", metrics.train_loss), ("validation loss", metrics.valid_loss)]
    figures.append(("full validation loss", metrics.full_valid_loss))
    said = ", ".join(f"{name}={value:.2f}" for name, value in figures if value is not None)
    return f"Step {metrics.step}/{metrics.total_steps}: {said}"
