"""Whatever happens at whichever write: the job ends, no step takes effect twice, no event is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.jobs import JobsSettings
from cluster.jobs.context import JobContext
from cluster.jobs.model import Job, JobState, NewEvent
from cluster.jobs.service import Jobs
from cluster.jobs.worker import JobWorker
from cluster.store.database import Database
from tests.budget import examples
from tests.unit.jobs.bench import ACME, Clock, Counts, Handler
from tests.unit.jobs.fake_faults import FakeFaultyDatabase, Fault, Killed

SETTINGS = JobsSettings(lease_s=30.0, heartbeat_s=0.02, max_attempts=1000, retry_delay_s=1.0, max_retry_delay_s=1.0)
STEPS = 2
WRITES = 3 + 3 * STEPS
"""Of a run without a fault: the look for abandoned jobs, the lease, what :meth:`Story.work` writes, the end; and one more."""

FAULTS = st.lists(st.tuples(st.sampled_from(list(Fault)), st.integers(0, WRITES), st.booleans()), max_size=6)


class Story:
    """One job, its workers one after the other (or beside each other, if one of them hangs), and what they were told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = Clock()
        self._database = Database.open(f"sqlite+aiosqlite:///{path}", DatabaseSettings())
        self.jobs = Jobs(self._database, SETTINGS, now=self._clock)
        self._hung: list[tuple[FakeFaultyDatabase, asyncio.Task[bool]]] = []
        self._opened: list[Database] = [self._database]
        self.acknowledged: dict[str, object] = {}
        self.told: list[str] = []
        self.done: Counter[str] = Counter()

    async def work(self, context: JobContext) -> dict[str, Any]:
        outputs = []
        for number in range(STEPS):
            outputs.append(await self._step(context, f"step-{number}"))
            await context.transaction(f"write-{number}", self._write)
            message = f"Done {number}."
            await context.event(message, key=message)
            self.told.append(message)
        return {"outputs": outputs}

    async def _step(self, context: JobContext, name: str) -> object:
        async def effect() -> int:
            assert name not in self.acknowledged, "a step that was recorded is done again"
            self.done[name] += 1
            # Each attempt gives something else, so that it shows whose output was recorded.
            return self.done[name]

        output = await context.step(name, effect)
        assert self.acknowledged.setdefault(name, output) == output, "two runs have been given different outputs"
        return output

    async def _write(self, session: AsyncSession) -> str:
        return (await self.jobs.create_in(session, ACME, "written", {})).id

    async def run(self, fault: Fault, after_writes: int) -> bool:
        """Let a worker run until it ends, dies or hangs; whether it found a job."""
        database = FakeFaultyDatabase.at(self._path, fault, after_writes)
        self._opened.append(database)
        worker = JobWorker([Handler(self.work)], database, SETTINGS, Counts(), now=self._clock)
        running = asyncio.create_task(worker.run_one())
        hung = asyncio.create_task(database.hung.wait())
        await asyncio.wait([running, hung], return_when=asyncio.FIRST_COMPLETED)
        self._clock.time_s += SETTINGS.lease_s + SETTINGS.max_retry_delay_s
        if not running.done():
            self._hung.append((database, running))
            return True
        hung.cancel()
        error = running.exception()
        if error is not None and not isinstance(error, Killed):
            # Only looking for a job may be refused by a database that is away.
            assert "away" in str(error)
            return True
        return error is not None or running.result()

    async def wake_the_hung(self) -> None:
        for database, running in self._hung:
            database.release()
            with contextlib.suppress(Killed):
                await running
        self._hung.clear()

    async def close(self) -> None:
        for database in self._opened:
            await database.close()


async def snapshot(jobs: Jobs, job: Job) -> tuple[object, ...]:
    written = await jobs.list(ACME, "written", limit=100)
    return await jobs.get(ACME, job.id), await jobs.events(ACME, job.id, limit=1000), written


async def tell(path: Path, faults: list[tuple[Fault, int, bool]]) -> None:
    story = Story(path)
    job = await story.jobs.create(ACME, "sum", {}, events=[NewEvent("Created.")])
    for fault, after_writes, wake in faults:
        await story.run(fault, after_writes)
        if wake:
            await story.wake_the_hung()
    while await story.run(Fault.NONE, 0):
        pass
    before = await snapshot(story.jobs, job)
    await story.wake_the_hung()
    assert await snapshot(story.jobs, job) == before, "a worker that had lost its lease has written something"

    done = await story.jobs.get(ACME, job.id)
    assert done.state is JobState.SUCCEEDED
    assert done.result == {"outputs": [story.acknowledged[f"step-{number}"] for number in range(STEPS)]}
    assert len((await story.jobs.list(ACME, "written", limit=100)).jobs) == STEPS, "a write was made twice, or not at all"
    events = (await story.jobs.events(ACME, job.id, limit=1000)).events
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    own = [event.message for event in events if event.type == "message"]
    assert own == ["Created.", *(f"Done {number}." for number in range(STEPS))]
    assert set(story.told) <= set(own)
    await story.close()


def check(migrated: Path, faults: list[tuple[Fault, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(migrated, Path(folder) / "cluster.db"))
        asyncio.run(tell(path, faults))


@pytest.mark.slow
@given(faults=FAULTS)
@settings(max_examples=examples(24), deadline=None)
def test_random_crashes_lose_nothing_and_do_nothing_twice(migrated: Path, faults: list[tuple[Fault, int, bool]]) -> None:
    check(migrated, faults)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE], ids=lambda fault: fault.name)
def test_each_write_may_be_the_last(migrated: Path, fault: Fault) -> None:
    for after_writes in range(WRITES):
        check(migrated, [(fault, after_writes, False)])


@pytest.mark.parametrize("fault", [Fault.DIE_AFTER, Fault.HANG], ids=lambda fault: fault.name)
def test_a_crash_in_the_middle_is_gone_on_from(migrated: Path, fault: Fault) -> None:
    check(migrated, [(fault, 3, False)])
