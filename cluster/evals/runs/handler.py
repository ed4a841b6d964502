"""Runs evals as jobs: looks its source through, puts items through side by side, writes each one's outcome once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.evals import EvalsSettings
from cluster.errors import NotFound
from cluster.evals.building import FindSandbox, asking, grading, sampling
from cluster.evals.data_source import namespaces_schema
from cluster.evals.definitions import Criterion, Python
from cluster.evals.eval_service import Eval, Evals
from cluster.evals.runs.data_source import RunSource, parse_run_source
from cluster.evals.runs.execution import Execution
from cluster.evals.runs.item_schema import ItemSchema
from cluster.evals.runs.outcome import Outcome
from cluster.evals.runs.rows import Row
from cluster.evals.runs.run_service import KIND, logs_metadata
from cluster.evals.runs.run_table import RunRecord, RunTable
from cluster.evals.runs.sources import Prepared, Sources
from cluster.inference.service import Inference
from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed

SCHEMA_BUDGET_S: Final = 600.0
"""For holding all items of a run against their schema, in seconds of processor time."""

TELL_S: Final = 1.0
"""How often the job's progress is written."""

MAX_BATCH: Final = 100
"""Outcomes that are written in one transaction, at most."""


class EvalRunHandler:
    """Implements :class:`~cluster.jobs.handler.JobHandler`; one for all runs of this process."""

    kind = KIND

    def __init__(
        self,
        table: RunTable,
        evals: Evals,
        sources: Sources,
        inference: Inference,
        settings: EvalsSettings,
        sandbox: FindSandbox,
    ) -> None:
        """``sandbox``: asked for when there is a grader in Python."""
        self._table = table
        self._evals = evals
        self._sources = sources
        self._inference = inference
        self._settings = settings
        self._sandbox = sandbox

    async def run(self, context: JobContext) -> dict[str, Any]:
        """The run's counts."""
        record, evaluated = await self._read(context)
        run_id = record.row.id
        source = await asyncio.to_thread(lambda: parse_run_source(msgspec.json.decode(record.row.data_source)))
        schema = ItemSchema(namespaces_schema(evaluated.source)["properties"]["item"], SCHEMA_BUDGET_S)
        items = self._sources.open(context.principal, source, schema, logs_metadata(evaluated))

        async def prepare() -> dict[str, Any]:
            return (await items.prepare()).to_json()

        async def note_count(session: AsyncSession) -> None:
            await self._table.set_item_count(session, run_id, prepared.count)

        prepared = Prepared.of(await context.step("prepare", prepare))
        await context.transaction("count", note_count)
        await context.event(f"The run has {prepared.count} items.", key="count", data={"items": prepared.count})
        execution = await self._execution(context, source, evaluated.criteria)
        done = await self._table.done(run_id)
        async with aclosing(items.rows(prepared, done)) as rows:
            going = _Going(self._table, context, run_id, prepared.count, execution, self._settings.item_concurrency)
            await going.through(rows)
        return await self._ended(context, run_id)

    async def _read(self, context: JobContext) -> tuple[RunRecord, Eval]:
        try:
            record = await self._table.get(context.principal, context.job.spec["run_id"])
            return record, await self._evals.get(context.principal, record.row.eval_id)
        except NotFound:
            raise _deleted() from None

    async def _execution(self, context: JobContext, source: RunSource, criteria: Sequence[Criterion]) -> Execution:
        settings, who, trace = self._settings, context.principal, context.job.id
        needed = any(isinstance(criterion, Python) for criterion in criteria)
        sandbox, why = await self._sandbox() if needed else (None, "")
        graders = grading(settings, asking(settings, self._inference, who, trace), sandbox, why)
        return Execution(source, criteria, sampling(settings, self._inference, who, trace), graders)

    async def _ended(self, context: JobContext, run_id: str) -> dict[str, Any]:
        record, _ = await self._read(context)
        counts = record.totals.result_counts()
        await context.event(
            f"{counts['passed']} items passed, {counts['failed']} failed, {counts['errored']} had errors.", key="end", data=counts
        )
        return {"result_counts": counts}


class _Going:
    """Items on their way: some at a time, and what is finished is written together while others go on."""

    def __init__(
        self, table: RunTable, context: JobContext, run_id: str, count: int, execution: Execution, concurrency: int
    ) -> None:
        self._table = table
        self._context = context
        self._run_id = run_id
        self._count = count
        self._told_at: float | None = None
        self._execution = execution
        self._concurrency = concurrency
        self._under_way: set[asyncio.Task[Outcome]] = set()

    async def through(self, rows: AsyncGenerator[Row, None]) -> None:
        """Until all rows are written. Raises :class:`JobStopped` when the job is to stop; what is under way is broken off then."""
        stopping = asyncio.create_task(self._context.stopping.wait())
        try:
            async for row in rows:
                self._under_way.add(asyncio.create_task(self._execution.run(row)))
                while len(self._under_way) >= self._concurrency:
                    await self._write_finished(stopping)
            while self._under_way:
                await self._write_finished(stopping)
        finally:
            stopping.cancel()
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(stopping, *self._under_way, return_exceptions=True)

    async def _write_finished(self, stopping: asyncio.Task[Any]) -> None:
        await asyncio.wait({*self._under_way, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await self._context.check()
        finished = [task for task in self._under_way if task.done()][:MAX_BATCH]
        outcomes = sorted((task.result() for task in finished), key=lambda outcome: outcome.place)
        if outcomes:
            await self._write(outcomes)
            self._under_way.difference_update(finished)

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        """In a step of the job, which nobody can take who has lost it."""

        async def write(session: AsyncSession) -> int | None:
            return await self._table.add(session, self._run_id, outcomes)

        done = await self._context.transaction(f"items from {outcomes[0].place}", write)
        if done is None:
            raise _deleted()
        await self._tell(done)

    async def _tell(self, done: int) -> None:
        """Those who watch the job; who asks for the run reads its counts."""
        now = time.monotonic()
        if self._told_at is None or done == self._count or now >= self._told_at + TELL_S:
            self._told_at = now
            await self._context.progress({"done": done, "total": self._count})


def _deleted() -> JobFailed:
    return JobFailed("eval_run_deleted", "The run or its eval was deleted.")
