"""What becomes of a job, by how its handler ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed, JobStopped, StopReason
from cluster.jobs.model import JobError, JobState, NewEvent
from cluster.store.database import Database
from tests.unit.jobs.bench import ACME, Bench, Handler


async def add(context: JobContext) -> dict[str, Any]:
    return {"sum": sum(context.job.spec["numbers"])}


async def test_a_job_runs_and_gives_its_result(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {"numbers": [1, 2]}, events=[NewEvent("Created.")])
    assert (job.state, job.attempts, job.started_at) == (JobState.QUEUED, 0, None)
    bench.clock.time_s += 10
    assert await bench.worker(add).run_one()
    done = await bench.jobs.get(ACME, job.id)
    assert (done.state, done.result, done.error, done.attempts) == (JobState.SUCCEEDED, {"sum": 3}, None, 1)
    assert done.started_at == done.finished_at == job.created_at + 10
    assert await bench.messages(job) == ["Created."]
    assert bench.counts.ended == ["succeeded"]
    assert not await bench.worker(add).run_one()


async def test_a_handler_works_in_the_name_of_whoever_created_the_job(bench: Bench) -> None:
    seen = []

    async def look(context: JobContext) -> dict[str, Any]:
        seen.append(context.principal)
        return {}

    await bench.jobs.create(ACME, "sum", {})
    await bench.worker(look).run_one()
    assert seen == [ACME]


async def test_a_job_of_a_kind_without_a_handler_waits(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "other", {})
    assert not await bench.worker(add).run_one()
    assert await bench.state(job) is JobState.QUEUED
    assert await bench.worker(Handler(add, "other"), add).run_one() is True


async def test_a_failure_of_the_job_is_told_and_final(bench: Bench) -> None:
    async def fail(context: JobContext) -> dict[str, Any]:
        raise JobFailed("invalid_file", "Line 3 is no JSON.", "training_file")

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(fail).run_one()
    done = await bench.jobs.get(ACME, job.id)
    assert done.state is JobState.FAILED
    assert done.error == JobError("invalid_file", "Line 3 is no JSON.", "training_file")
    events = (await bench.jobs.events(ACME, job.id)).events
    assert [(event.level, event.message) for event in events] == [("error", "Line 3 is no JSON.")]


async def test_a_job_can_fail_with_words_that_no_database_takes(bench: Bench) -> None:
    async def fail(context: JobContext) -> dict[str, Any]:
        await context.event("a\0b\ud800")
        raise JobFailed("x" * 500, "\0\ud800" * 10_000, "y" * 500)

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(fail).run_one()
    done = await bench.jobs.get(ACME, job.id)
    assert done.state is JobState.FAILED
    assert done.error is not None
    assert (len(done.error.code), len(done.error.message), len(done.error.param or "")) == (200, 8000, 200)
    assert (await bench.messages(job))[0] == "a\ufffdb?"


async def test_an_unexpected_error_is_tried_again_later_each_time_and_then_fails_without_its_text(bench: Bench) -> None:
    async def stumble(context: JobContext) -> dict[str, Any]:
        raise KeyError("sk-secret")

    job = await bench.jobs.create(ACME, "sum", {})
    worker = bench.worker(stumble)
    for delay_s in (5, 8):
        assert await worker.run_one()
        assert await bench.state(job) is JobState.QUEUED
        bench.clock.time_s += delay_s - 0.5
        assert not await worker.run_one()
        bench.clock.time_s += 0.5
    assert await worker.run_one()
    done = await bench.jobs.get(ACME, job.id)
    assert (done.state, done.attempts) == (JobState.FAILED, 3)
    assert done.error is not None
    assert done.error.code == "job_attempts_exhausted"
    assert "sk-secret" not in repr(await bench.jobs.events(ACME, job.id)) + repr(done)


async def test_a_step_more_forgives_earlier_failures(bench: Bench) -> None:
    async def creep(context: JobContext) -> dict[str, Any]:
        # One step further in every second run.
        if context.job.attempts % 2 == 0:
            await context.step(str(context.job.attempts), nothing)
        if context.job.attempts < 9:
            raise KeyError("x")
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    worker = bench.worker(creep)
    while await worker.run_one():
        bench.clock.time_s += 10
    assert await bench.state(job) is JobState.SUCCEEDED


async def nothing() -> None:
    return None


async def test_a_recorded_step_is_not_done_again_and_gives_the_same(bench: Bench) -> None:
    done: list[str] = []
    seen: list[object] = []

    async def steps(context: JobContext) -> dict[str, Any]:
        async def first() -> object:
            done.append("first")
            return {"pair": (1, 2)}

        seen.append(await context.step("first", first))
        if context.job.attempts == 1:
            raise KeyError("x")
        return {}

    await bench.jobs.create(ACME, "sum", {})
    worker = bench.worker(steps)
    await worker.run_one()
    bench.clock.time_s += 10
    await worker.run_one()
    assert done == ["first"]
    assert seen == [{"pair": [1, 2]}] * 2


async def test_a_step_may_give_nothing(bench: Bench) -> None:
    runs = []

    async def steps(context: JobContext) -> dict[str, Any]:
        async def first() -> None:
            runs.append(1)

        assert await context.step("first", first) is None
        assert await context.step("first", first) is None
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(steps).run_one()
    assert await bench.state(job) is JobState.SUCCEEDED
    assert runs == [1]


async def test_one_step_twice_at_once_is_a_defect(bench: Bench) -> None:
    async def twice(context: JobContext) -> dict[str, Any]:
        async def slow() -> None:
            await asyncio.sleep(0.01)

        with pytest.raises(RuntimeError, match="under way"):
            await asyncio.gather(context.step("a", slow), context.step("a", slow))
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(twice).run_one()
    assert await bench.state(job) is JobState.SUCCEEDED


async def test_events_with_a_key_are_written_once_and_numbered_without_gaps(bench: Bench) -> None:
    async def tell(context: JobContext) -> dict[str, Any]:
        await context.event("Began.", key="began")
        await context.event("Run.", type="metrics", data={"run": context.job.attempts})
        if context.job.attempts == 1:
            raise KeyError("x")
        return {}

    job = await bench.jobs.create(ACME, "sum", {}, events=[NewEvent("Created.", key="created")])
    worker = bench.worker(tell)
    await worker.run_one()
    bench.clock.time_s += 5
    await worker.run_one()
    page = await bench.jobs.events(ACME, job.id)
    retried = "The job ended unexpectedly; it is tried again in 5 s."
    assert [event.message for event in page.events] == ["Created.", "Began.", "Run.", retried, "Run."]
    assert [event.sequence for event in page.events] == [1, 2, 3, 4, 5]
    assert [event.data for event in page.events if event.type == "metrics"] == [{"run": 1}, {"run": 2}]
    assert len({event.id for event in page.events}) == 5


async def test_progress_is_seen_while_the_job_runs(bench: Bench) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        await context.progress({"done": 1, "of": 2})
        assert (await bench.jobs.get(ACME, context.job.id)).progress == {"done": 1, "of": 2}
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(work).run_one()
    assert (await bench.jobs.get(ACME, job.id)).progress == {"done": 1, "of": 2}


async def test_what_json_cannot_say_fails_the_run_not_the_worker(bench: Bench) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        return {"x": object()}

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(work).run_one()
    assert await bench.state(job) is JobState.QUEUED


async def wait_for_the_stop(context: JobContext) -> dict[str, Any]:
    await context.stopping.wait()
    await context.check()
    raise AssertionError("check has let a stopped run pass")


@pytest.mark.parametrize(
    ("verb", "meanwhile", "state"),
    [("cancel", JobState.CANCELLING, JobState.CANCELLED), ("pause", JobState.PAUSING, JobState.PAUSED)],
)
async def test_a_running_job_leaves_off(bench: Bench, verb: str, meanwhile: JobState, state: JobState) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    bench.worker(wait_for_the_stop).start()
    await bench.until(job, JobState.RUNNING)
    assert (await getattr(bench.jobs, verb)(ACME, job.id)).state is meanwhile
    await bench.until(job, state)
    assert len(await bench.messages(job)) == 2


async def test_a_job_that_does_not_leave_off_is_broken_off_after_its_grace(bench: Bench) -> None:
    ended = []

    async def deaf(context: JobContext) -> dict[str, Any]:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(context.stop_reason)
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    bench.worker(deaf).start()
    await bench.until(job, JobState.RUNNING)
    await bench.jobs.cancel(ACME, job.id)
    await bench.until(job, JobState.CANCELLED)
    assert ended == [StopReason.CANCEL]


async def test_a_write_tells_at_once_that_the_job_is_to_stop(bench: Bench) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        await bench.jobs.cancel(ACME, context.job.id)
        await context.check()  # Nothing has told this run yet.
        await context.step("one", nothing)
        with pytest.raises(JobStopped):
            await context.step("two", nothing)
        await context.check()
        return {}

    job = await bench.with_settings(heartbeat_s=10.0).jobs.create(ACME, "sum", {})
    await bench.worker(work).run_one()
    assert await bench.state(job) is JobState.CANCELLED


async def test_a_job_that_reaches_its_result_while_it_is_cancelled_has_succeeded(bench: Bench) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        await bench.jobs.cancel(ACME, context.job.id)
        return {"sum": 1}

    job = await bench.jobs.create(ACME, "sum", {})
    await bench.worker(work).run_one()
    assert await bench.state(job) is JobState.SUCCEEDED


async def test_a_paused_job_goes_on_where_it_was(bench: Bench) -> None:
    done = []

    async def work(context: JobContext) -> dict[str, Any]:
        async def one() -> None:
            done.append(1)

        await context.step("one", one)
        return await wait_for_the_stop(context) if context.job.attempts == 1 else {"done": len(done)}

    job = await bench.jobs.create(ACME, "sum", {})
    bench.worker(work).start()
    await bench.until(job, JobState.RUNNING)
    await bench.jobs.pause(ACME, job.id)
    await bench.until(job, JobState.PAUSED)
    assert (await bench.jobs.resume(ACME, job.id)).state is JobState.QUEUED
    assert (await bench.until(job, JobState.SUCCEEDED)).result == {"done": 1}


async def test_a_closing_worker_gives_its_jobs_to_another_one_at_once(bench: Bench) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        return await wait_for_the_stop(context) if context.job.attempts == 1 else {}

    job = await bench.jobs.create(ACME, "sum", {})
    worker = bench.worker(work)
    worker.start()
    await bench.until(job, JobState.RUNNING)
    await worker.close()
    assert await bench.state(job) is JobState.QUEUED
    assert await bench.worker(work).run_one()
    assert (await bench.jobs.get(ACME, job.id)).state is JobState.SUCCEEDED
    assert await bench.messages(job) == []


async def test_a_worker_that_is_cancelled_gives_its_job_back(bench: Bench, database: Database) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    running = asyncio.create_task(bench.worker(wait_for_the_stop).run_one())
    await bench.until(job, JobState.RUNNING)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await bench.state(job) is JobState.QUEUED
