from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from openai import AsyncOpenAI
from typer.testing import CliRunner, Result

from cluster.cli.app import app
from cluster.config.settings.jobs import JobsSettings
from cluster.config.settings.models import AdapterSettings, ModelSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.distilling import measuring, tuning
from cluster.jobs.worker import JobWorker
from cluster.store.schema import upgrade
from cluster.tuning.handler import FineTuningHandler
from cluster.tuning.registry_publisher import RegistryPublisher
from cluster.tuning.served_models import ServedModels
from cluster.tuning.trainer import OnCheckpoint, OnMetrics, TrainingResult, TrainingSpec
from tests.unit.eval_runs.bench import CUSTOM, EXACT, TEMPLATE, NoMetrics, row
from tests.unit.eval_runs.fake_models import Body, FakeModels, last_user
from tests.unit.fine_tuning.conftest import QWEN3
from tests.unit.fine_tuning.fake_trainer import FakeTrainer
from tests.unit.storage.served import Served
from tests.unit.tuned.adapters import write_adapter

TEACHER, STUDENT = "demo", "other"
QUESTIONS = [str(number) for number in range(10)]
HELD_OUT = [f"held out {number}" for number in range(8)]


@dataclass
class FakeWritingTrainer(FakeTrainer):
    """Leaves an adapter of random numbers."""

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        async def no_checkpoint(checkpoint: object) -> None:
            """One model is enough."""

        result = await super().train(spec, on_metrics, no_checkpoint, stopping)
        write_adapter(result.path)
        return result


@dataclass
class Cluster:
    """A gateway and a worker. The teacher repeats what it is asked; the student does not, until it is tuned."""

    served: Served
    client: AsyncOpenAI
    state: Path
    trainer: FakeWritingTrainer = field(default_factory=lambda: FakeWritingTrainer(epochs=1, steps_per_epoch=3))
    wrong_after: frozenset[str] = frozenset({HELD_OUT[0]})

    @property
    def models(self) -> FakeModels:
        return cast(FakeModels, self.served.relay)

    def answer(self, body: Body) -> str | Exception:
        asked, model = last_user(body), str(body["model"])
        if model == TEACHER:
            return asked
        return asked if model.startswith("ft:") and asked not in self.wrong_after else "no"

    def asked(self, model: str) -> list[str]:
        return [last_user(body) for body in self.models.asked if body["model"] == model]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Workers beside the test: one runs evals, one trains."""
        served, registry = self.served, self.served.storage.tuned
        assert registry is not None
        settings = JobsSettings(retry_delay_s=0.0, poll_interval_s=0.02, heartbeat_s=0.05, lease_s=60.0, stop_grace_s=1.0)
        publisher = RegistryPublisher(registry)
        tuning = FineTuningHandler(
            served.storage.files, ServedModels(served.models), self.trainer, publisher, served.tuning, served.folder / "tuning"
        )
        evals = served.storage.eval_run_handler(served.inference)
        worker = JobWorker([tuning, evals], served.database, settings, NoMetrics())
        worker.start()
        try:
            yield
        finally:
            await worker.close()

    async def distil(self, *arguments: str, code: int = 0) -> Result:
        """The command in a thread, beside the gateway's event loop."""
        env = {"OSSATURE_BASE_URL": self.served.url, "OSSATURE_API_KEY": "sk-acme", "XDG_STATE_HOME": str(self.state)}
        result = await asyncio.to_thread(CliRunner().invoke, app, ["distill", *arguments], env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    async def store(self, questions: list[str] | None = None, **metadata: str) -> None:
        """Answers of the teacher."""
        for question in QUESTIONS if questions is None else questions:
            await self.client.chat.completions.create(
                model=TEACHER, messages=[{"role": "user", "content": question}], store=True, metadata=metadata
            )

    async def eval(self, questions: list[str] | None = None, name: str = "echo") -> str:
        """One with a completed run of the student, so that its items are known."""
        source, criteria = cast(Any, CUSTOM), cast(Any, [EXACT])
        made = await self.client.evals.create(name=name, data_source_config=source, testing_criteria=criteria)
        await self.first_run(made.id, HELD_OUT if questions is None else questions)
        return made.id

    async def first_run(self, eval_id: str, questions: list[str]) -> None:
        source: Any = {
            "type": "completions",
            "model": STUDENT,
            "input_messages": TEMPLATE,
            "sampling_params": {"temperature": 0.0},
            "source": {"type": "file_content", "content": [row(question) for question in questions]},
        }
        run = await self.client.evals.runs.create(eval_id, data_source=source)
        async with self.working():
            while (await self.client.evals.runs.retrieve(run.id, eval_id=eval_id)).status != "completed":  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def runs(self, eval_id: str) -> list[str]:
        """Roles of the runs that a distillation has made, oldest first."""
        found = [run async for run in self.client.evals.runs.list(eval_id, order="asc")]
        return [run.metadata["role"] for run in found if run.metadata]

    async def files(self, purpose: str = "fine-tune") -> list[str]:
        # OpenAI's types do not know all purposes of its description.
        async with self.served.client(strict=False) as client:
            return [file.filename async for file in client.files.list(purpose=purpose)]

    def states(self) -> list[dict[str, Any]]:
        folder = self.state / "ossature" / "distillations"
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy, which is faster than to migrate each."""
    path = tmp_path_factory.mktemp("migrated") / "cluster.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "POLL_S", 0.02)
    monkeypatch.setattr(tuning, "POLL_S", 0.02)


@pytest.fixture
async def cluster(migrated: Path, tmp_path: Path) -> AsyncIterator[Cluster]:
    weights = tmp_path / "qwen3"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(QWEN3))
    models = [
        ModelSettings(id=TEACHER, source="x"),
        ModelSettings(id=STUDENT, source=str(weights), adapters=AdapterSettings(enabled=True)),
    ]
    path = shutil.copy(migrated, tmp_path / "copy.db")
    relay = FakeModels()
    served = Served(
        tmp_path, relay=relay, models=models, tuning=TuningSettings(enabled=True), database_url=f"sqlite+aiosqlite:///{path}"
    )
    async with served.running(), served.client() as client:
        made = Cluster(served, client, tmp_path / "state")
        relay.answer = made.answer
        yield made
