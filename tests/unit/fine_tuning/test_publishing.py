"""What was trained ends in the registry of tuned models, or the job says why it can't."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from cluster.jobs.model import JobState
from cluster.jobs.worker import JobWorker
from cluster.tuned.names import TunedName
from cluster.tuning.handler import FineTuningHandler
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.registry_publisher import RegistryPublisher
from cluster.tuning.served_models import ServedModels
from cluster.tuning.trainer import OnCheckpoint, OnMetrics, TrainedCheckpoint, TrainingResult, TrainingSpec
from tests.unit.fine_tuning.conftest import Tuning, lines
from tests.unit.fine_tuning.fake_trainer import FakeTrainer
from tests.unit.storage.served import ACME, GLOBEX
from tests.unit.tuned.adapters import write_adapter


@dataclass
class WritingTrainer(FakeTrainer):
    """Leaves adapters of random numbers, of this rank."""

    rank: int = 4

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        async def write(checkpoint: TrainedCheckpoint) -> None:
            write_adapter(checkpoint.path, seed=checkpoint.step, rank=self.rank)
            await on_checkpoint(checkpoint)

        result = await super().train(spec, on_metrics, write, stopping)
        write_adapter(result.path, seed=99, rank=self.rank)
        return result


async def run(tuning: Tuning, trainer: FakeTrainer, probe: ParityProbe | None = None, model: str = "base") -> str:
    """The id of a job, which has been run."""
    registry = tuning.served.storage.tuned
    assert registry is not None
    handler = FineTuningHandler(
        tuning.served.storage.files,
        ServedModels(tuning.served.models, merging=tuning.served.tuned_models.max_merged_models > 0),
        trainer,
        RegistryPublisher(registry, probe),
        tuning.served.tuning,
        tuning.served.folder / "tuning",
    )
    file_id = await tuning.upload(lines())
    async with tuning.served.http_client() as http:
        body = {"model": model, "training_file": file_id, "suffix": "s"}
        made = await http.post("/v1/fine_tuning/jobs", json=body)
    job_id: str = made.raise_for_status().json()["id"]
    assert await JobWorker([handler], tuning.served.database, tuning.settings, tuning.metrics).run_one()
    return job_id


async def test_the_result_and_three_checkpoints_are_models_of_the_organization_alone(tuning: Tuning) -> None:
    job_id = await run(tuning, WritingTrainer())
    job = await tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED
    registry = tuning.served.storage.tuned
    assert registry is not None
    assert job.result is not None
    name = job.result["fine_tuned_model"]
    async with tuning.served.http_client() as http:
        shown = (await http.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints")).json()["data"]
    names = [name, *(each["fine_tuned_model_checkpoint"] for each in shown)]
    assert len(names) == 4
    for each in names:
        model = await registry.get(ACME, each)
        assert model.adapter is not None
        assert (model.base_model, model.adapter.rank, model.job_id) == ("base", 4, job_id)
        assert await registry.find(GLOBEX, each) is None
    assert [TunedName.parse(each).step for each in names] == [None, 8, 6, 4]  # type: ignore[union-attr]


async def test_an_adapter_that_can_not_be_served_fails_the_job(tuning: Tuning) -> None:
    job = await tuning.job(await run(tuning, WritingTrainer(rank=64)))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.result) == ("invalid_adapter", None)
    assert "rank" in job.error.message


@pytest.mark.parametrize("name", ["base", "globex-only"])
def test_models_of_other_organizations_are_not_found(tuning: Tuning, name: str) -> None:
    models = ServedModels(tuning.served.models)
    found = models.find(ACME, name)
    assert (found is not None) == (name == "base")
    assert models.find(GLOBEX, name) is not None
    assert models.find(ACME, "fixed") is None
