"""Who watches a job is told of everything once, in order, until it is over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from contextlib import aclosing
from typing import Any

import pytest

from cluster.jobs.context import JobContext
from cluster.jobs.model import Job, JobEvent, JobState, NewEvent
from tests.unit.jobs.bench import ACME, Bench


async def everything(bench: Bench, job: Job, after_sequence: int = 0) -> list[JobEvent | Job]:
    async with asyncio.timeout(120), aclosing(bench.jobs.watch(ACME, job.id, after_sequence)) as watched:
        return [seen async for seen in watched]


def events(seen: list[JobEvent | Job]) -> list[int]:
    return [each.sequence for each in seen if isinstance(each, JobEvent)]


async def count(context: JobContext) -> dict[str, Any]:
    for number in range(8):
        await context.event(str(number))
        await context.progress({"done": number})
        await asyncio.sleep(0)
    return {}


async def test_every_event_is_told_once_and_in_order_and_the_finished_job_last(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("Created.")])
    watchers = [asyncio.create_task(everything(bench, job)) for _ in range(3)]
    bench.worker(count).start()
    for watcher in watchers:
        seen = await watcher
        assert events(seen) == list(range(1, 10))
        last = seen[-1]
        assert isinstance(last, Job)
        assert last.state is JobState.SUCCEEDED
        jobs = [each for each in seen if isinstance(each, Job)]
        assert all(earlier != later for earlier, later in itertools.pairwise(jobs))


async def test_a_watcher_that_comes_back_goes_on_where_it_was(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent(str(number)) for number in range(5)])
    await bench.jobs.cancel(ACME, job.id)
    assert events(await everything(bench, job, after_sequence=3)) == [4, 5, 6]


async def test_more_events_than_one_page_are_all_told(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("x")] * 1201)
    await bench.jobs.cancel(ACME, job.id)
    seen = await everything(bench, job)
    assert events(seen) == list(range(1, 1203))
    assert len(seen) == 1203


async def test_what_happens_in_this_process_is_told_without_waiting_for_the_interval(bench: Bench) -> None:
    bench.with_settings(watch_interval_s=60.0)
    job = await bench.jobs.create(ACME, "sum", {})
    async with asyncio.timeout(60), aclosing(bench.jobs.watch(ACME, job.id)) as watched:
        assert isinstance(first := await anext(watched), Job)
        assert first.state is JobState.QUEUED
        cancelling = asyncio.create_task(bench.jobs.cancel(ACME, job.id))
        told = [await anext(watched), await anext(watched)]
        await cancelling
    assert [type(each) for each in told] == [JobEvent, Job]


async def test_a_worker_is_told_of_a_new_job_of_its_process_at_once(bench: Bench) -> None:
    bench.with_settings(poll_interval_s=60.0)
    worker = bench.worker(count)
    worker.start()
    await asyncio.sleep(0.05)
    job = await bench.jobs.create(ACME, "sum", {})
    await bench.until(job, JobState.SUCCEEDED)


@pytest.mark.slow
async def test_watchers_that_have_gone_leave_nothing_behind(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3), aclosing(bench.jobs.watch(ACME, job.id)) as watched:
            async for _ in watched:
                pass
    # A read of the database that was broken off holds its watcher until it has ended.
    async with asyncio.timeout(30):
        while bench.wake._tickets:
            gc.collect()
            await asyncio.sleep(0.05)
