"""Jobs on both databases: workers beside each other, and workers that are killed."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from cluster.config.settings.jobs import JobsSettings
from cluster.jobs.errors import LeaseLost
from cluster.jobs.leases import JobLeases, Lease
from cluster.jobs.model import Job, JobEvent, JobState
from cluster.jobs.service import Jobs
from cluster.store.database import Database
from tests.integration.store.conftest import ROOT
from tests.integration.store.job_process import SETTINGS, STEPS
from tests.unit.jobs.bench import ACME, GLOBEX, Clock

pytestmark = pytest.mark.integration


async def test_workers_beside_each_other_share_jobs_out_and_keep_the_limits(open_database: Callable[[], Database]) -> None:
    settings, clock = JobsSettings(max_running_per_organization=3), Clock()
    jobs = Jobs(open_database(), settings, now=clock)
    created = {(await jobs.create(principal, "sum", {})).id for principal in (ACME, GLOBEX) for _ in range(10)}
    running: Counter[str] = Counter()
    leased: list[str] = []

    async def work(leases: JobLeases) -> None:
        while len(leased) < len(created):
            lease = await leases.lease(["sum"])
            if lease is None:
                await asyncio.sleep(0.005)
                continue
            leased.append(lease.job.id)
            running[lease.job.organization_id] += 1
            assert running[lease.job.organization_id] <= settings.max_running_per_organization
            await asyncio.sleep(random.uniform(0, 0.01))
            running[lease.job.organization_id] -= 1
            await leases.succeed(lease, b"{}")

    async with asyncio.timeout(200):
        await asyncio.gather(*(work(JobLeases(open_database(), settings, str(number), clock)) for number in range(5)))
    assert sorted(leased) == sorted(created)


async def test_many_writers_of_one_log_leave_neither_gaps_nor_twins(open_database: Callable[[], Database]) -> None:
    clock = Clock()
    jobs = Jobs(open_database(), JobsSettings(), now=clock)
    job = await jobs.create(ACME, "sum", {})
    leases = JobLeases(open_database(), JobsSettings(), "test", clock)
    lease = await leases.lease(["sum"])
    assert lease is not None

    async def pause_and_resume(database: Database) -> None:
        other = Jobs(database, JobsSettings(), now=clock)
        for _ in range(5):
            await other.pause(ACME, job.id)
            await other.resume(ACME, job.id)

    await asyncio.gather(*(pause_and_resume(open_database()) for _ in range(3)))
    events = (await jobs.events(ACME, job.id, limit=1000)).events
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert 10 <= len(events) <= 30
    assert await leases.release(lease) is JobState.QUEUED


async def test_one_of_two_that_end_a_job_at_once_is_told_that_it_came_too_late(open_database: Callable[[], Database]) -> None:
    settings, clock = JobsSettings(), Clock()
    first, second = (JobLeases(open_database(), settings, name, clock) for name in ("first", "second"))
    job = await Jobs(open_database(), settings, now=clock).create(ACME, "sum", {})
    for _ in range(10):
        stale = await first.lease(["sum"])
        assert stale is not None
        clock.time_s += settings.lease_s
        # The one gives it up for dead, the other one is about to give it back.
        outcomes = await asyncio.gather(second.lease(["sum"]), first.release(stale), return_exceptions=True)
        taken, released = outcomes
        if isinstance(released, LeaseLost):
            assert isinstance(taken, Lease)
        else:
            assert released is JobState.QUEUED
            taken = taken or await second.lease(["sum"])
        assert isinstance(taken, Lease)
        assert taken.job.id == job.id
        with pytest.raises(LeaseLost):
            await first.heartbeat(stale)
        await second.release(taken)
        # What lost leases are counted for, in vain here, as the job gets nowhere.
        await Jobs(open_database(), settings, now=clock).pause(ACME, job.id)
        await Jobs(open_database(), settings, now=clock).resume(ACME, job.id)


@asynccontextmanager
async def worker(url: str, effects: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.store.job_process", url, str(effects), cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def reached(jobs: Jobs, job: Job, sequence: int) -> None:
    """Return when the job's log has come so far, or the job is over."""
    async with aclosing(jobs.watch(ACME, job.id, sequence - 1)) as watched:
        async for seen in watched:
            if isinstance(seen, JobEvent) or seen.state.finished:
                return


async def test_a_job_outlives_workers_that_are_killed(
    open_database: Callable[[], Database], database_url: str, tmp_path: Path
) -> None:
    jobs, effects = Jobs(open_database(), SETTINGS), tmp_path / "effects"
    job = await jobs.create(ACME, "steps", {})
    kills = 3
    async with asyncio.timeout(400):
        for number in range(kills):
            async with worker(database_url, effects) as process:
                await reached(jobs, job, 8 * (number + 1))
                await asyncio.sleep(random.uniform(0, 0.1))
                process.kill()
        # The last one that is stopped gives its lease back: the next one need not wait for it to run out.
        async with worker(database_url, effects) as process:
            await reached(jobs, job, 8 * (kills + 1))
            process.terminate()
            assert await process.wait() == 0
            assert (await jobs.get(ACME, job.id)).state is JobState.QUEUED
        async with worker(database_url, effects), aclosing(jobs.watch(ACME, job.id)) as watched:
            seen = [each async for each in watched]

    done = await jobs.get(ACME, job.id)
    assert seen[-1] == done
    assert (done.state, done.progress) == (JobState.SUCCEEDED, {"done": STEPS})
    events = [each for each in seen if isinstance(each, JobEvent)]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.message for event in events if event.type == "message"] == [f"Done {number}." for number in range(STEPS)]
    # Each kill may have come between a step's end and its record; but for that, each was done once.
    counts = Counter(int(line) for line in effects.read_text().splitlines())
    assert set(counts) == set(range(STEPS))
    assert sum(counts.values()) <= STEPS + kills + 1
    assert len((await jobs.list(ACME, "written", limit=1000)).jobs) == STEPS
