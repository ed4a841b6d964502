"""Fine-tuning jobs, events and checkpoints: from OpenAI's objects to messages, and a method's way to OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2, jobs_pb2
from cluster.edges.grpc.translate.nesting import flattened, nested
from cluster.edges.grpc.translate.shapes import filled

_AUTO = "auto"
_METRICS = "metrics"


def job_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """A request for a job with its ``method`` as JSON bodies have it."""
    return {**document, "method": nested(document["method"], always=True)} if "method" in document else dict(document)


def job_of(shown: Mapping[str, Any]) -> fine_tuning_pb2.FineTuningJob:
    """From OpenAI's ``FineTuningJob``. Hyperparameters that are still to be chosen are absent."""
    method = flattened(shown["method"])
    chosen = {name: value for name, value in method["hyperparameters"].items() if value != _AUTO}
    return filled(fine_tuning_pb2.FineTuningJob(), {**shown, "method": {**method, "hyperparameters": chosen}})


def event_of(shown: Mapping[str, Any]) -> jobs_pb2.JobEvent:
    """From OpenAI's ``FineTuningJobEvent``."""
    metrics = shown["data"] if shown["type"] == _METRICS else None
    return filled(jobs_pb2.JobEvent(), {**shown, "metrics": metrics})


def checkpoint_of(shown: Mapping[str, Any]) -> fine_tuning_pb2.FineTuningCheckpoint:
    """From OpenAI's ``FineTuningJobCheckpoint``."""
    return filled(fine_tuning_pb2.FineTuningCheckpoint(), shown)
