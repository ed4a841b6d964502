from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import AdapterSettings, ModelSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.jobs.model import Job
from cluster.jobs.service import Jobs
from cluster.jobs.worker import JobWorker
from cluster.store.schema import upgrade
from cluster.tuning.handler import FineTuningHandler
from cluster.tuning.served_models import ServedModels
from tests.openai_schema import SchemaOracle
from tests.unit.fine_tuning.fake_trainer import FakePublisher, FakeTrainer
from tests.unit.fine_tuning.samples import chat
from tests.unit.storage.fake_relay import FakeRelay
from tests.unit.storage.served import ACME, GLOBEX, Served

QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
}


@dataclass
class NoMetrics:
    ended: list[str] = field(default_factory=list)

    def job_taken_over(self, kind: str) -> None:
        return

    def job_run_ended(self, kind: str, outcome: str, duration_s: float) -> None:
        self.ended.append(outcome)


@dataclass
class Tuning:
    """A gateway that takes fine-tuning jobs, and a worker that runs them with a trainer that trains nothing."""

    served: Served
    trainer: FakeTrainer = field(default_factory=FakeTrainer)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    metrics: NoMetrics = field(default_factory=NoMetrics)

    @property
    def client(self) -> AsyncOpenAI:
        return self.served.client()

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.served.database, self.settings)

    @property
    def settings(self) -> JobsSettings:
        return JobsSettings(retry_delay_s=0.0, poll_interval_s=0.05, heartbeat_s=0.05, lease_s=5.0)

    def worker(self) -> JobWorker:
        handler = FineTuningHandler(
            self.served.storage.files,
            ServedModels(self.served.models),
            self.trainer,
            self.publisher,
            self.served.tuning,
            self.served.folder / "tuning",
        )
        return JobWorker([handler], self.served.database, self.settings, self.metrics)

    async def upload(self, data: bytes, purpose: str = "fine-tune", key: str = "sk-acme") -> str:
        async with self.served.http_client(key) as http:
            answer = await http.post("/v1/files", files={"file": ("train.jsonl", data)}, data={"purpose": purpose})
        file_id: str = answer.json()["id"]
        return file_id

    async def job(self, job_id: str, principal: Any = ACME) -> Job:
        return await self.jobs.get(principal, job_id)

    async def messages(self, job_id: str) -> list[str]:
        return [event.message for event in (await self.jobs.events(ACME, job_id, limit=500)).events]


def lines(*examples: dict[str, Any], count: int = 10) -> bytes:
    """A file of these examples; of ``count`` plain ones, if there are none."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in examples or [chat()] * count)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tuning") / "cluster.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def tuning_settings() -> TuningSettings:
    return TuningSettings(enabled=True)


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
async def tuning(tmp_path: Path, empty_database: Path, tuning_settings: TuningSettings, relay: FakeRelay) -> AsyncIterator[Tuning]:
    weights = tmp_path / "qwen3"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(QWEN3))
    adapters = AdapterSettings(enabled=True)
    models = [
        ModelSettings(id="base", source=str(weights), adapters=adapters),
        ModelSettings(id="globex-only", source=str(weights), adapters=adapters, organization=GLOBEX.org_id),
        ModelSettings(id="fixed", source=str(weights)),
        ModelSettings(id="elsewhere", source="some/repository"),
    ]
    shutil.copy(empty_database, tmp_path / "cluster.db")
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    served = Served(tmp_path, relay=relay, models=models, tuning=tuning_settings, database_url=url)
    async with served.running():
        yield Tuning(served)


@pytest.fixture(scope="session")
def oracle() -> SchemaOracle:
    return SchemaOracle.load()
