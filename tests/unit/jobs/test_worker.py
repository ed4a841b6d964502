"""The worker itself: how many jobs it has, what it does while the database is away, how it ends; and who cleans up."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from sqlalchemy import func, select

from cluster.errors import StoreUnavailable
from cluster.jobs.census import JobCensus
from cluster.jobs.context import JobContext
from cluster.jobs.leases import JobLeases
from cluster.jobs.model import JobState, NewEvent
from cluster.jobs.purge import JobPurger
from cluster.store.tables import JobEventRow, JobStepRow
from cluster.telemetry import logs
from tests.unit.jobs.bench import ACME, GLOBEX, Bench, Handler


async def stay(context: JobContext) -> dict[str, Any]:
    await context.stopping.wait()
    await context.check()
    return {}


async def one_step(context: JobContext) -> dict[str, Any]:
    async def one() -> int:
        return 1

    return {"one": await context.step("one", one)}


async def test_a_worker_has_no_more_jobs_than_it_may(bench: Bench) -> None:
    bench.with_settings(max_running=2, max_running_per_organization=10)
    jobs = []
    for _ in range(3):
        jobs.append(await bench.jobs.create(ACME, "sum", {}))
        bench.clock.time_s += 1
    worker = bench.worker(stay)
    worker.start()
    await bench.until(jobs[0], JobState.RUNNING)
    await bench.until(jobs[1], JobState.RUNNING)
    await asyncio.sleep(0.15)
    assert (worker.running, await bench.state(jobs[2])) == (2, JobState.QUEUED)
    await bench.jobs.cancel(ACME, jobs[0].id)
    await bench.until(jobs[2], JobState.RUNNING)


async def test_what_is_logged_in_a_run_names_its_organization(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cluster.jobs")
    told: list[str | None] = []

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(logs.org_id.get())

    async def say(context: JobContext) -> dict[str, Any]:
        logging.getLogger("cluster.jobs").info("a line of a handler")
        return {}

    handler = Telling()
    logging.getLogger("cluster.jobs").addHandler(handler)
    try:
        for principal in (ACME, GLOBEX):
            await bench.jobs.create(principal, "sum", {})
            await bench.worker(say).run_one()
    finally:
        logging.getLogger("cluster.jobs").removeHandler(handler)
    assert told == [ACME.org_id, ACME.org_id, GLOBEX.org_id, GLOBEX.org_id], "the handler's line, and that the run has ended"
    assert logs.org_id.get() is None


async def test_two_handlers_of_one_kind_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="sum"):
        bench.worker(stay, stay)
    with pytest.raises(ValueError, match="No"):
        bench.worker(Handler(stay, "No"))


async def test_the_end_of_a_run_is_written_when_the_database_is_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed, outages = JobLeases.succeed, [1, 2]

    async def unavailable(self: JobLeases, *arguments: Any) -> JobState:
        if outages:
            outages.pop()
            raise StoreUnavailable("away")
        return await succeed(self, *arguments)

    monkeypatch.setattr(JobLeases, "succeed", unavailable)
    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(one_step).run_one()
    assert await bench.state(job) is JobState.SUCCEEDED
    assert bench.counts.ended == ["succeeded"]


async def test_a_run_ends_when_its_lease_can_no_longer_be_renewed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(self: JobLeases, lease: object) -> JobState:
        raise StoreUnavailable("away")

    monkeypatch.setattr(JobLeases, "heartbeat", unavailable)
    bench.with_settings(lease_s=0.2)
    job = await bench.jobs.create(ACME, "sum", {})
    async with asyncio.timeout(60):
        await bench.worker(stay).run_one()
    assert bench.counts.ended == ["lost"]
    assert await bench.state(job) is JobState.RUNNING


async def test_a_run_whose_job_was_taken_over_ends_without_a_word(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    running = asyncio.create_task(bench.worker(stay).run_one())
    await bench.until(job, JobState.RUNNING)
    bench.clock.time_s += 1000 * bench.settings.lease_s
    monthly = bench.with_settings(lease_s=1e9)
    # Its heartbeat may have come first, and renewed the lease by the clock that was moved; then it is moved again.
    while (taken := await monthly.leases().lease(["sum"])) is None:
        bench.clock.time_s += bench.settings.lease_s
    async with asyncio.timeout(60):
        await running
    assert bench.counts.ended == ["lost"]
    assert await bench.leases().heartbeat(taken) is JobState.RUNNING


async def test_a_worker_looks_on_after_the_database_was_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, failures = JobLeases.lease, [StoreUnavailable("away"), KeyError("a defect")]

    async def sometimes(self: JobLeases, *arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await lease(self, *arguments)

    monkeypatch.setattr(JobLeases, "lease", sometimes)
    worker = bench.worker(one_step)
    job = await bench.jobs.create(ACME, "sum", {})
    worker.start()
    await bench.until(job, JobState.SUCCEEDED)
    assert not failures
    worker.check()


async def test_a_worker_that_looks_no_more_is_not_healthy(bench: Bench) -> None:
    worker = bench.worker(one_step)
    worker.start()
    worker.check()
    assert worker._looking is not None
    worker._looking.cancel()
    await asyncio.gather(worker._looking, return_exceptions=True)
    with pytest.raises(RuntimeError):
        worker.check()


async def test_a_closed_worker_takes_no_more_jobs_and_may_be_closed_again(bench: Bench) -> None:
    worker = bench.worker(one_step)
    worker.start()
    await worker.close()
    await worker.close()
    job = await bench.jobs.create(ACME, "sum", {})
    await asyncio.sleep(0.1)
    assert await bench.state(job) is JobState.QUEUED


async def test_an_error_while_the_worker_closes_is_not_counted_against_the_job(bench: Bench) -> None:
    async def torn(context: JobContext) -> dict[str, Any]:
        await context.stopping.wait()
        raise ConnectionError("the engines shut down, too")

    bench.with_settings(max_attempts=1)
    job = await bench.jobs.create(ACME, "sum", {})
    worker = bench.worker(torn)
    worker.start()
    await bench.until(job, JobState.RUNNING)
    await worker.close()
    assert await bench.state(job) is JobState.QUEUED
    assert bench.counts.ended == ["released"]


async def test_events_and_steps_of_jobs_finished_long_ago_are_deleted_and_the_jobs_stay(bench: Bench) -> None:
    old = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("Created.")])
    await bench.worker(one_step).run_one()
    waiting = await bench.jobs.create(ACME, "other", {}, events=[NewEvent("Created.")])
    bench.clock.time_s += bench.settings.retention_s + 1
    young = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("Created.")])
    await bench.worker(one_step).run_one()
    purger = JobPurger(bench.database, bench.settings, bench.clock)
    assert await purger.purge() == 1
    assert await purger.purge() == 0
    assert await bench.messages(old) == []
    assert (await bench.jobs.get(ACME, old.id)).result == {"one": 1}
    assert [await bench.messages(job) for job in (waiting, young)] == [["Created."]] * 2
    async with bench.database.session() as session:
        assert (await session.execute(select(func.count()).select_from(JobEventRow))).scalar_one() == 2
        assert (await session.execute(select(func.count()).select_from(JobStepRow))).scalar_one() == 1


class Census:
    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], int] = {}
        self.waiting_s: dict[str, float] = {}

    def counted(self, jobs: Any, waiting_s: Any) -> None:
        self.jobs, self.waiting_s = dict(jobs), dict(waiting_s)


async def test_the_census_tells_how_long_jobs_have_waited_for_a_worker(bench: Bench) -> None:
    seen = Census()
    census = JobCensus(bench.database, seen, bench.clock)
    await census.count()
    assert seen.jobs == {}
    lost = await bench.jobs.create(ACME, "sum", {})
    await bench.leased()
    await bench.jobs.create(GLOBEX, "other", {})
    done = await bench.jobs.create(GLOBEX, "other", {})
    await bench.jobs.cancel(GLOBEX, done.id)
    bench.clock.time_s += 10
    await census.count()
    assert seen.jobs == {("sum", "running"): 1, ("other", "queued"): 1}
    assert seen.waiting_s == {"sum": 0.0, "other": 10.0}
    bench.clock.time_s += bench.settings.lease_s
    await census.count()
    assert seen.waiting_s == {"sum": 10.0, "other": 10 + bench.settings.lease_s}
    assert await bench.state(lost) is JobState.RUNNING
