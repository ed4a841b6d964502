"""A cluster that tunes: tiny models, fine-tuning switched on, everything on one processor core."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from cluster.tuning.training.job import missing_packages
from models.tuning_demo.make import DEFAULT_OUT, make
from tests.e2e.conftest import ENGINE, ENVIRONMENT, OSSATURE, REPOSITORY, environment, start, stop, write_config

LACKING = missing_packages()
WHY_SKIPPED = f"the extra `tuning` is not installed ({', '.join(LACKING)}): scripts/setup.sh --tuning"
EVAL_TIMEOUT_S = 300.0
JOB_TIMEOUT_S = 600.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class TuningCluster:
    """What a client needs of it. ``folder`` has its configuration, log and data."""

    http: str
    grpc: str
    api_key: str
    admin_key: str
    folder: Path

    def client(self, key: str | None = None, *, strict: bool = True) -> openai.OpenAI:
        """The official client; ``key``: another organization's; ``strict``: with its response validation on."""
        return openai.OpenAI(
            base_url=f"{self.http}/v1", api_key=key or self.api_key, _strict_response_validation=strict, max_retries=0, timeout=120
        )

    def upload_items(self, path: Path) -> str:
        """A file of an eval's items; its id. The client's own type of files lacks their purpose, so that it isn't strict here."""
        return self.client(strict=False).files.create(file=path, purpose="evals").id

    def ossature(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, with this cluster as its target."""
        variables = environment() | {
            "OSSATURE_ENDPOINTS": str(self.folder / "data" / "endpoints.json"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        return subprocess.run([OSSATURE, *arguments], capture_output=True, text=True, env=variables, timeout=JOB_TIMEOUT_S)


def tiny_model(name: str, **settings: Any) -> dict[str, Any]:
    """One of ``models/tuning_demo``, trained if it isn't there yet."""
    return {
        "id": name,
        "source": str(make(name, REPOSITORY / DEFAULT_OUT)),
        "max_ongoing_requests": 32,
        "placement": {"cpus_per_worker": 0.5},
        "environment": ENVIRONMENT,
        "engine": ENGINE | {"max_model_len": 512, "kv_cache_memory_bytes": 64 << 20},
    } | settings


@contextmanager
def tuning_cluster(folder: Path, models: list[dict[str, Any]], **sections: Any) -> Iterator[TuningCluster]:
    """In a ``folder`` that a cluster has been in before, that cluster is started again."""
    data_dir = folder / "data"
    data_dir.mkdir(exist_ok=True)
    tuning = {"enabled": True, "launcher": "process", "device": "cpu"}
    config = write_config(folder, data_dir, models, tuning=tuning, **sections)
    process = start(config, data_dir, folder / "serve.log")
    try:
        endpoints = json.loads((data_dir / "endpoints.json").read_text())
        yield TuningCluster(endpoints["http"], endpoints["grpc"], endpoints["api_key"], endpoints["admin_key"], folder)
    finally:
        stop(process)


def exact_match(client: openai.OpenAI, name: str, question: str) -> str:
    """The id of an eval of items with a field ``question`` and an ``answer``, which a model must give letter by letter."""
    fields: dict[str, object] = {question: {"type": "string"}, "answer": {"type": "string"}}
    schema: dict[str, object] = {"type": "object", "properties": fields, "required": [question, "answer"]}
    grader: Any = {
        "type": "string_check",
        "name": "exact",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "eq",
    }
    config: Any = {"type": "custom", "item_schema": schema, "include_sample_schema": True}
    return client.evals.create(name=name, data_source_config=config, testing_criteria=[grader]).id


def passed(client: openai.OpenAI, eval_id: str, model: str, messages: list[dict[str, Any]], items: str) -> float:
    """The share of the items (a file) that a model answers rightly, asked ``messages`` greedily."""
    source: Any = {
        "type": "completions",
        "model": model,
        "input_messages": {"type": "template", "template": messages},
        "sampling_params": {"temperature": 0, "max_completion_tokens": 64},
        "source": {"type": "file_id", "id": items},
    }
    started = client.evals.runs.create(eval_id, name=model[:64], data_source=source)
    run = ended(
        lambda: client.evals.runs.retrieve(started.id, eval_id=eval_id), ("completed", "failed", "canceled"), EVAL_TIMEOUT_S
    )
    assert run.status == "completed", run.error
    counts = run.result_counts
    assert counts.errored == 0
    return float(counts.passed / counts.total)


def tuned(client: openai.OpenAI, model: str, training_file: str, suffix: str, **hyperparameters: float) -> Any:
    """The fine-tuning job, when it has succeeded."""
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    made = client.fine_tuning.jobs.create(model=model, training_file=training_file, suffix=suffix, seed=5, method=method)
    job = ended(lambda: client.fine_tuning.jobs.retrieve(made.id), ("succeeded", "failed", "cancelled"), JOB_TIMEOUT_S)
    assert job.status == "succeeded", job.error
    return job


def ended(look: Callable[[], Any], endings: tuple[str, ...], timeout_s: float) -> Any:
    """The object once its status is one of ``endings``."""
    deadline_s = time.monotonic() + timeout_s
    while (found := look()).status not in endings:
        assert time.monotonic() < deadline_s, f"after {timeout_s:g} s it is still {found.status}"
        time.sleep(_POLL_S)
    return found
