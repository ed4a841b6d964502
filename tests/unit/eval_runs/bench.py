"""A gateway with evals, and workers beside it that tests start and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from openai import AsyncOpenAI

from cluster.jobs.model import JobState
from cluster.jobs.worker import JobWorker
from tests.unit.eval_runs.fake_models import FakeModels
from tests.unit.storage.served import ACME, Served

SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
CUSTOM = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
TEMPLATE = {"type": "template", "template": [{"role": "user", "content": "{{item.question}}"}]}


class NoMetrics:
    """Nobody asks for them."""

    def job_taken_over(self, kind: str) -> None:
        """Not counted."""

    def job_run_ended(self, kind: str, outcome: str, duration_s: float) -> None:
        """Not counted."""


@dataclass
class Bench:
    """``client``: OpenAI's own, strict."""

    served: Served
    client: AsyncOpenAI

    @property
    def models(self) -> FakeModels:
        return cast(FakeModels, self.served.relay)

    def worker(self) -> JobWorker:
        handler = self.served.storage.eval_run_handler(self.served.inference, _no_sandbox)
        return JobWorker([handler], self.served.database, self.served.working, NoMetrics())

    async def work(self) -> None:
        """Run the jobs that wait."""
        while await self.worker().run_one():
            pass

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker beside the test."""
        worker = self.worker()
        worker.start()
        try:
            yield
        finally:
            await worker.close()

    async def ended(self, run_id: str) -> JobState:
        while not (job := await self.served.jobs.get(ACME, run_id)).state.finished:  # noqa: ASYNC110 - a worker tells nobody
            await asyncio.sleep(0.01)
        return job.state

    async def eval(self, criteria: Any = (EXACT,), source: Any = CUSTOM, **fields: Any) -> str:
        made = await self.client.evals.create(data_source_config=source, testing_criteria=list(criteria), **fields)
        return made.id

    async def start(self, eval_id: str, rows: list[dict[str, Any]], **source: Any) -> str:
        """A run that asks the model about inline rows."""
        content: Any = {"type": "file_content", "content": rows}
        data_source: Any = {
            "type": "completions",
            "model": "demo",
            "input_messages": TEMPLATE,
            "source": content,
            **source,
        }
        return (await self.client.evals.runs.create(eval_id, data_source=data_source)).id


async def _no_sandbox() -> tuple[None, str]:
    return None, "There is no sandbox here."


def row(question: str, answer: str | None = None) -> dict[str, Any]:
    return {"item": {"question": question, "answer": question if answer is None else answer}}
