"""Jobs whose result no engine takes as an adapter: told before the training, compared, kept, and served from the next start on."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.config.settings.models import AdapterSettings, ModelSettings, ModelTuningSettings
from cluster.config.settings.tuning import TunedModelsSettings, TuningSettings
from cluster.jobs.model import JobState
from cluster.tuned.model import Kind
from cluster.tuned.service import TunedModels
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.trainer import OnCheckpoint, OnMetrics, TrainingResult, TrainingSpec
from cluster.tuning.training.parity import Trained
from tests.openai_schema import SchemaOracle
from tests.unit.fine_tuning.conftest import QWEN3, Tuning, lines
from tests.unit.fine_tuning.fake_trainer import FakeTrainer
from tests.unit.fine_tuning.test_parity_probe import BASE, TUNED, scores
from tests.unit.fine_tuning.test_publishing import run
from tests.unit.storage.served import ACME, GLOBEX, Served
from tests.unit.tuned.whole_models import write_whole

ADAPTERS = AdapterSettings(enabled=True)


@pytest.fixture
async def tuning(tmp_path: Path, empty_database: Path) -> AsyncIterator[Tuning]:
    """A cluster that keeps one merged model."""
    weights = tmp_path / "qwen3"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(QWEN3))
    source = str(weights)
    models = [
        ModelSettings(id="base", source=source, adapters=ADAPTERS),
        ModelSettings(id="fixed", source=source),
        ModelSettings(id="whole", source=source, adapters=ADAPTERS, tuning=ModelTuningSettings(weights="full")),
        ModelSettings(id="elsewhere", source="some/repository"),
    ]
    shutil.copy(empty_database, tmp_path / "cluster.db")
    served = Served(
        tmp_path,
        models=models,
        tuning=TuningSettings(enabled=True),
        tuned_models=TunedModelsSettings(max_merged_models=1),
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}",
    )
    async with served.running():
        yield Tuning(served)


@dataclass
class WholeTrainer(FakeTrainer):
    """Leaves a whole model of random numbers. ``saved``: what it says that the files compute; ``None``: it says nothing."""

    saved: float | None = TUNED

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        result = await super().train(spec, on_metrics, on_checkpoint, stopping)
        write_whole(result.path)
        saved = None if self.saved is None else scores(self.saved)
        written = Trained(base=scores(BASE), tuned=scores(TUNED), saved=saved).write(result.path.parent)
        return TrainingResult(result.path, result.step, result.trained_tokens, written)


def probe_of(tuning: Tuning) -> ParityProbe:
    return ParityProbe(tuning.served.inference, 30.0)


def registry_of(tuning: Tuning) -> TunedModels:
    assert tuning.served.storage.tuned is not None
    return tuning.served.storage.tuned


@pytest.mark.parametrize(
    ("model", "because", "every_weight"),
    [("fixed", "fixed is served without adapters", False), ("whole", "every weight is trained", True)],
)
async def test_a_result_that_is_no_adapter_becomes_a_model_of_its_own(
    tuning: Tuning, oracle: SchemaOracle, model: str, because: str, every_weight: bool
) -> None:
    trainer = WholeTrainer()
    job_id = await run(tuning, trainer, probe_of(tuning), model)
    job = await tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED
    [spec] = trainer.specs
    assert (spec.base.every_weight, spec.base.merged_because) == (every_weight, (because,))
    [kept] = await registry_of(tuning).list(ACME)
    assert (kept.name, kept.kind, kept.base_model) == (job.spec["tuned_model"], Kind.MERGED, model)
    assert await registry_of(tuning).find(GLOBEX, kept.name) is None

    told = await tuning.messages(job_id)
    assert any(
        because in message and "from the cluster's next start on" in message
        for message in told[: told.index("The training has begun.")]
    )
    assert any("loaded again by the training framework, answers as the tuned model" in message for message in told)
    assert any("`ossature serve`" in message and "helm upgrade" in message for message in told[-1:])
    assert any("checkpoints are not published" in message for message in told)
    async with tuning.served.http_client() as http:
        body = (await http.get(f"/v1/fine_tuning/jobs/{job_id}")).json()
        assert oracle.problems("FineTuningJob", body) == []
        assert body["fine_tuned_model"] == kept.name
        assert (await http.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints")).json()["data"] == []
        assert kept.name in [each["id"] for each in (await http.get("/v1/models")).json()["data"]]
        chat = {"model": kept.name, "messages": [{"role": "user", "content": "hi"}]}
        asked = await http.post("/v1/chat/completions", json=chat)
    assert (asked.status_code, asked.json()["error"]["code"]) == (500, "model_not_started")
    async with tuning.served.http_client("sk-globex") as http:
        assert (await http.post("/v1/chat/completions", json=chat)).status_code == 404
        assert kept.name not in [each["id"] for each in (await http.get("/v1/models")).json()["data"]]


@pytest.mark.parametrize(
    ("saved", "code"),
    [(BASE, "parity_equal_to_base"), (-1.8, "parity_apart_from_tuned"), (None, "parity_probe_failed")],
)
async def test_files_that_do_not_compute_what_was_trained_are_not_kept(tuning: Tuning, saved: float | None, code: str) -> None:
    job = await tuning.job(await run(tuning, WholeTrainer(saved=saved), probe_of(tuning), "fixed"))
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, code)
    assert await registry_of(tuning).list(ACME) == []


async def test_without_room_nothing_is_trained(tuning: Tuning) -> None:
    await run(tuning, WholeTrainer(), model="fixed")
    trainer = WholeTrainer()
    job = await tuning.job(await run(tuning, trainer, model="fixed"))
    assert job.error is not None
    assert (job.state, job.error.code) == (JobState.FAILED, "merged_model_quota_exceeded")
    assert trainer.specs == []


async def test_adapters_of_other_models_stay_adapters(tuning: Tuning) -> None:
    trainer = FakeTrainer()
    file_id = await tuning.upload(lines())
    tuning.trainer = trainer
    async with tuning.served.http_client() as http:
        made: Any = await http.post("/v1/fine_tuning/jobs", json={"model": "base", "training_file": file_id})
    assert await tuning.worker().run_one()
    assert (await tuning.job(made.json()["id"])).state is JobState.SUCCEEDED
    assert trainer.specs[0].base.merged_because == ()
