"""What users may do with jobs, and what becomes of those that no worker has."""

from __future__ import annotations

import asyncio

import pytest

from cluster.errors import Conflict, InvalidRequest, NotFound, RateLimited
from cluster.jobs.model import JobFilter, JobState, NewEvent
from tests.unit.jobs.bench import ACME, GLOBEX, Bench

JOB = "evalrun_" + "1" * 32


async def test_creating_a_job_again_gives_the_one_that_there_is(bench: Bench) -> None:
    first = await bench.jobs.create(ACME, "sum", {"a": 1}, job_id=JOB, events=[NewEvent("Created.")])
    bench.clock.time_s += 60
    assert await bench.jobs.create(ACME, "sum", {"a": 1}, job_id=JOB, events=[NewEvent("Created.")]) == first
    assert await bench.messages(first) == ["Created."]


async def test_a_job_is_created_once_however_many_try_at_once(bench: Bench) -> None:
    jobs = await asyncio.gather(*(bench.jobs.create(ACME, "sum", {"a": 1}, job_id=JOB) for _ in range(5)))
    assert len({job.id for job in jobs}) == 1


@pytest.mark.parametrize(("kind", "spec"), [("sum", {"a": 2}), ("other", {"a": 1})])
async def test_an_id_stands_for_one_job(bench: Bench, kind: str, spec: dict[str, int]) -> None:
    await bench.jobs.create(ACME, "sum", {"a": 1}, job_id=JOB)
    with pytest.raises(Conflict):
        await bench.jobs.create(ACME, kind, spec, job_id=JOB)


async def test_a_job_and_what_belongs_to_it_are_made_together_or_not_at_all(bench: Bench) -> None:
    async def create_and_die() -> None:
        async with bench.database.transaction() as session:
            await bench.jobs.create_in(session, ACME, "sum", {}, job_id=JOB)
            raise KeyError

    with pytest.raises(KeyError):
        await create_and_die()
    with pytest.raises(NotFound):
        await bench.jobs.get(ACME, JOB)


async def test_a_description_that_is_too_large_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest):
        await bench.jobs.create(ACME, "sum", {"text": "x" * (bench.settings.max_spec_bytes + 1)})


async def test_an_organization_can_have_so_many_unfinished_jobs_and_no_more(bench: Bench) -> None:
    jobs = bench.with_settings(max_waiting_per_organization=2).jobs
    first = await jobs.create(ACME, "sum", {})
    await jobs.create(ACME, "sum", {})
    with pytest.raises(RateLimited) as refused:
        await jobs.create(ACME, "sum", {})
    assert refused.value.retry_after_s
    await jobs.create(GLOBEX, "sum", {})
    await jobs.cancel(ACME, first.id)
    await jobs.create(ACME, "sum", {})


async def test_a_list_goes_by_time_page_by_page_in_both_orders(bench: Bench) -> None:
    created = []
    for _ in range(5):
        created.append((await bench.jobs.create(ACME, "sum", {})).id)
        bench.clock.time_s += 0.001
    await bench.jobs.create(ACME, "other", {})
    first = await bench.jobs.list(ACME, "sum", limit=2)
    assert ([job.id for job in first.jobs], first.has_more) == (created[:2:-1], True)
    rest = await bench.jobs.list(ACME, "sum", limit=3, after=created[3])
    assert ([job.id for job in rest.jobs], rest.has_more) == (created[2::-1], False)
    upward = await bench.jobs.list(ACME, "sum", limit=3, after=created[1], order="asc")
    assert [job.id for job in upward.jobs] == created[2:]


async def test_a_list_can_be_narrowed(bench: Bench) -> None:
    first, second = [await bench.jobs.create(ACME, "sum", {}) for _ in range(2)]
    await bench.jobs.cancel(ACME, first.id)
    cancelled = await bench.jobs.list(ACME, "sum", JobFilter(states=(JobState.CANCELLED,)))
    assert [job.id for job in cancelled.jobs] == [first.id]
    named = await bench.jobs.list(ACME, "sum", JobFilter(ids=(second.id, "job_" + "0" * 32)))
    assert [job.id for job in named.jobs] == [second.id]
    assert (await bench.jobs.list(ACME, "sum", JobFilter(ids=()))).jobs == []


@pytest.mark.parametrize("after", ["job_" + "0" * 32, "x"])
async def test_a_list_begins_after_one_of_its_own(bench: Bench, after: str) -> None:
    other = await bench.jobs.create(ACME, "other", {})
    for each in (after, other.id):
        with pytest.raises(InvalidRequest):
            await bench.jobs.list(ACME, "sum", after=each)


async def test_events_come_page_by_page_in_both_orders(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent(str(number)) for number in range(5)])
    first = await bench.jobs.events(ACME, job.id, limit=2)
    assert ([event.message for event in first.events], first.has_more) == (["0", "1"], True)
    rest = await bench.jobs.events(ACME, job.id, limit=3, after=first.events[-1].id)
    assert ([event.message for event in rest.events], rest.has_more) == (["2", "3", "4"], False)
    downward = await bench.jobs.events(ACME, job.id, limit=2, after=rest.events[0].id, order="desc")
    assert [event.message for event in downward.events] == ["1", "0"]
    other = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("other")])
    foreign = (await bench.jobs.events(ACME, other.id)).events[0].id
    for after in (foreign, "jobev_" + "0" * 32, "x"):
        with pytest.raises(InvalidRequest):
            await bench.jobs.events(ACME, job.id, after=after)


async def test_a_waiting_job_is_cancelled_at_once_and_for_good(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    cancelled = await bench.jobs.cancel(ACME, job.id)
    assert (cancelled.state, cancelled.finished_at) == (JobState.CANCELLED, int(bench.clock()))
    assert await bench.jobs.cancel(ACME, job.id) == cancelled
    assert await bench.messages(job) == ["The job was cancelled."]
    for change in (bench.jobs.pause, bench.jobs.resume):
        with pytest.raises(Conflict):
            await change(ACME, job.id)
    assert await bench.leases().lease(["sum"]) is None


async def test_a_paused_job_is_not_run_until_it_is_resumed(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    paused = await bench.jobs.pause(ACME, job.id)
    assert paused.state is JobState.PAUSED
    assert await bench.jobs.pause(ACME, job.id) == paused
    assert await bench.leases().lease(["sum"]) is None
    assert (await bench.jobs.resume(ACME, job.id)).state is JobState.QUEUED
    assert (await bench.jobs.resume(ACME, job.id)).state is JobState.QUEUED
    assert (await bench.leased()).job.id == job.id
    assert await bench.messages(job) == ["The job was paused.", "The job was resumed."]


async def test_a_paused_job_can_be_cancelled(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    await bench.jobs.pause(ACME, job.id)
    assert (await bench.jobs.cancel(ACME, job.id)).state is JobState.CANCELLED


async def test_a_pause_that_is_taken_back_lets_the_job_run(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    assert (await bench.jobs.pause(ACME, job.id)).state is JobState.PAUSING
    assert (await bench.jobs.resume(ACME, job.id)).state is JobState.RUNNING
    # The worker has left off all the same, and the job waits for the next one.
    assert await bench.leases().release(lease) is JobState.QUEUED


async def test_a_job_that_is_being_paused_can_still_be_cancelled(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    await bench.jobs.pause(ACME, job.id)
    assert (await bench.jobs.cancel(ACME, job.id)).state is JobState.CANCELLING
    assert (await bench.jobs.cancel(ACME, job.id)).state is JobState.CANCELLING
    with pytest.raises(Conflict):
        await bench.jobs.resume(ACME, job.id)
    assert await bench.leases().release(lease) is JobState.CANCELLED


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
async def test_what_is_over_can_be_neither_cancelled_nor_paused(bench: Bench, state: JobState) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    if state is JobState.SUCCEEDED:
        await bench.leases().succeed(lease, b"{}")
    else:
        bench.with_settings(max_attempts=1)
        await bench.leases().retry(lease)
    for change in (bench.jobs.cancel, bench.jobs.pause, bench.jobs.resume):
        with pytest.raises(Conflict):
            await change(ACME, job.id)
    assert await bench.state(job) is state
