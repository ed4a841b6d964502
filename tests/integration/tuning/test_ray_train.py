"""Fine-tuning jobs on a real Ray Train, with processes that die in their midst: they succeed, and nothing is done or told twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.files.model import Purpose, new_file_id
from cluster.jobs.model import JobState
from cluster.store.schema import upgrade
from cluster.tuning.checkpoints import Checkpoints
from cluster.tuning.request import CreateFineTuningJob
from cluster.tuning.served_models import ServedModels
from cluster.tuning.service import FineTuning
from cluster.tuning.training import events
from cluster.tuning.training.events import Event
from cluster.tuning.training.job import missing_packages
from tests.integration.tuning import ray_worker
from tests.unit.storage.served import ACME
from tests.unit.tuning import tiny

pytestmark = [
    pytest.mark.integration,
    pytest.mark.tuning,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing_packages()), reason="the extra `tuning` is not installed"),
]

REPOSITORY = Path(__file__).parents[3]
ROWS, EPOCHS, BATCH = 40, 4, 4
STEPS = ROWS // BATCH * EPOCHS
KILLED_AFTER = 12
"""A step behind a checkpoint, so that what came after it is trained again."""
PATIENCE_S = 1200.0


@dataclass
class Machine:
    """A worker of jobs with its Ray cluster, in a session of their own."""

    process: subprocess.Popen[str]

    @property
    def everything(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """SIGKILL to every process of it, the job's worker first: nobody says goodbye."""
        dying = self.everything
        for each in dying:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(dying, timeout=30)
        self.process.wait(30)


@contextmanager
def machine(folder: Path, workers: int) -> Iterator[Machine]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
        # A busy machine takes its time.
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
    }
    command = [sys.executable, "-m", ray_worker.__name__, str(folder), str(workers)]
    with (folder / "machine.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    running = Machine(process)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", (folder / "machine.log").read_text()
        yield running
    finally:
        if process.poll() is None:
            running.kill()
        assert process.stdout is not None
        process.stdout.close()


@dataclass
class Job:
    """A job as its owner and its folder show it."""

    folder: Path
    workers: int
    id: str

    @property
    def said(self) -> list[Event]:
        return events.read(self.folder / "tuning" / ACME.org_id / self.id / "output")

    async def until_step(self, step: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not any(event.kind == "step" and event.fields["step"] >= step for event in self.said):
            assert time.monotonic() < deadline_s, "the training does not get on"
            await asyncio.sleep(0.02)

    def training_pid(self) -> int:
        begun = [event for event in self.said if event.kind == "started"]
        return int(begun[-1].fields["pid"])

    async def until_succeeded(self) -> tuple[list[Event], dict[str, Any], list[Any]]:
        """All that the training said, the job's result, and its events."""
        said: list[Event] = []
        async with ray_worker.served(self.folder, self.workers).inside() as inside:
            deadline_s = time.monotonic() + PATIENCE_S
            while not (job := await inside.jobs.get(ACME, self.id)).state.finished:
                # The folder goes with the job's end.
                said = self.said or said
                assert time.monotonic() < deadline_s, job
                await asyncio.sleep(0.02)
            assert job.state is JobState.SUCCEEDED, job.error
            assert job.result is not None
            found = (await inside.jobs.events(ACME, self.id, limit=500)).events
            [file_id] = job.result["result_files"]
            file = await inside.storage.files.get(ACME, file_id)
            csv = b"".join([piece async for piece in inside.storage.files.read(ACME, file, 0, file.size_bytes)])
            assert [line.split(b",")[0] for line in csv.splitlines()[1:]] == [b"%d" % step for step in range(1, STEPS + 1)]
            assert inside.storage.tuned is not None
            models = {model.name: model.adapter.weights.sha256 for model in await inside.storage.tuned.list(ACME)}
            assert len(models) == 4, "the result, and the checkpoints of the last three epochs"
            return said, {**job.result, "weights": models[job.result["fine_tuned_model"]]}, found


async def created(folder: Path, workers: int = 1) -> Job:
    tiny.write_model(folder / "base")
    await upgrade(f"sqlite+aiosqlite:///{folder / 'cluster.db'}")
    rows = [{"messages": [*row["prompt"], *row["completion"]]} for row in tiny.task_rows(ROWS)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    async with ray_worker.served(folder, workers).inside() as inside:
        file = await inside.storage.files.keep(ACME, new_file_id(), "train.jsonl", Purpose.FINE_TUNE, content)
        numbers = {"n_epochs": EPOCHS, "batch_size": BATCH, "learning_rate_multiplier": 10}
        method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
        body = {"model": "tiny", "training_file": file.id, "seed": 5, "method": method}
        service = FineTuning(inside.jobs, inside.storage.files, Checkpoints(inside.database), ServedModels(inside.models))
        job = await service.create(ACME, CreateFineTuningJob.model_validate(body))
    return Job(folder, workers, job["id"])


def check(said: list[Event], told: list[Any]) -> None:
    """Every step was told once, by the training and by the job, and the training did go on from a checkpoint."""
    steps = [event.fields["step"] for event in said if event.kind == "step"]
    assert steps == list(range(1, len(steps) + 1))
    begun = [event.fields["resumed_from_step"] for event in said if event.kind == "started"]
    assert begun[0] == 0
    assert len(begun) == 2
    assert ray_worker.CHECKPOINT_EVERY_STEPS <= begun[1] < STEPS
    assert begun[1] % ray_worker.CHECKPOINT_EVERY_STEPS == 0
    assert [event.data["step"] for event in told if event.type == "metrics"] == list(range(1, STEPS + 1))
    messages = [event.message for event in told]
    assert len(messages) == len(set(messages)), "something was told twice"
    assert [event.sequence for event in told] == list(range(1, len(told) + 1))


@pytest.fixture(scope="module")
def weights() -> dict[int, str]:
    """Digests of the adapters that the same training gave, by the number of workers."""
    return {}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_training_worker_that_is_killed(tmp_path: Path, workers: int, weights: dict[int, str]) -> None:
    job = await created(tmp_path, workers)
    with machine(tmp_path, workers):
        await job.until_step(KILLED_AFTER)
        os.kill(job.training_pid(), signal.SIGKILL)
        said, result, told = await job.until_succeeded()
    check(said, told)
    weights[workers] = result["weights"]


async def test_a_whole_cluster_that_is_killed(tmp_path: Path, weights: dict[int, str]) -> None:
    job = await created(tmp_path)
    with machine(tmp_path, 1) as first:
        await job.until_step(KILLED_AFTER)
        first.kill()
    before = job.said
    assert before[-1].kind not in events.ENDS
    with machine(tmp_path, 1):
        said, result, told = await job.until_succeeded()
    assert said[: len(before)] == before
    check(said, told)
    # Killed elsewhere, and the same weights: no step has taken effect twice, or not at all.
    assert result["weights"] == weights.get(1, result["weights"])
