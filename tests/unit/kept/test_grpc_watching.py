"""Watching a job: everything once and in order, from anywhere, until it is over or its client is gone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
import pytest

from cluster.admission.concurrency import ConcurrencyLimit, Slot
from cluster.edges.grpc.generated.ossature.v1 import eval_run_pb2, evals_pb2
from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2 as pb
from cluster.jobs.model import NewEvent
from cluster.tuning.spec import KIND
from tests.unit.kept.errors import refusal_of
from tests.unit.kept.evals import a_run, an_eval
from tests.unit.kept.scene import ACME, AUTH, Scene
from tests.unit.kept.test_grpc_fine_tuning import create

WAIT_S = 200
"""Long, as a busy machine is no failure."""


def watch(scene: Scene, job_id: str, after_sequence: int | None = None) -> Any:
    asked = pb.WatchFineTuningJobRequest(fine_tuning_job_id=job_id, after_sequence=after_sequence)
    return scene.tuning.WatchFineTuningJob(asked, metadata=AUTH)


async def everything(call: Any) -> list[Any]:
    told = []
    async with asyncio.timeout(WAIT_S):
        while (each := await call.read()) is not grpc.aio.EOF:
            told.append(each)
    return told


async def ended(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await everything(call)
    return caught.value


async def freed(scene: Scene) -> None:
    """Until the organization has no watch any more."""
    async with asyncio.timeout(WAIT_S):
        while scene.edge._grpc_edge.watches.in_progress(ACME.org_id):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.005)


async def test_each_event_once_and_the_finished_job_last(scene: Scene) -> None:
    job = await create(scene)
    call = watch(scene, job.id)
    first = await asyncio.wait_for(call.read(), WAIT_S)
    assert (first.sequence, first.job) == (0, job), "the job as it is comes first"
    watching = asyncio.create_task(everything(call))
    await scene.work()
    told = await watching
    events = [each for each in told if each.HasField("event")]
    assert [each.sequence for each in events] == list(range(1, len(events) + 1))
    assert events[0].event.message == f"The fine-tuning job {job.id} was created."
    assert [each.event.metrics.step for each in events if each.event.HasField("metrics")] == list(range(1, 9))
    assert told[-1].job.status == pb.FINE_TUNING_JOB_STATUS_SUCCEEDED
    assert told[-1].sequence == len(events)


async def test_who_was_cut_off_goes_on_where_it_was(scene: Scene) -> None:
    job = await create(scene)
    call = watch(scene, job.id)
    async with asyncio.timeout(WAIT_S):
        sequence = (await call.read()).sequence
        while not sequence:
            sequence = (await call.read()).sequence
    call.cancel()
    await scene.work()
    whole = [each.sequence for each in await everything(watch(scene, job.id)) if each.HasField("event")]
    rest = [each.sequence for each in await everything(watch(scene, job.id, sequence)) if each.HasField("event")]
    assert rest == whole[sequence:]
    assert len(rest) > 8
    over = await everything(watch(scene, job.id, whole[-1]))
    assert [each.WhichOneof("told") for each in over] == ["job"], "nothing new, and the finished job"


async def test_a_run_of_an_eval_is_watched_alike(scene: Scene) -> None:
    eval_id = await an_eval(scene)
    run_id = await a_run(scene, eval_id)

    def watched(after_sequence: int | None = None) -> Any:
        asked = evals_pb2.WatchEvalRunRequest(eval_id=eval_id, run_id=run_id, after_sequence=after_sequence)
        return scene.evals.WatchEvalRun(asked, metadata=AUTH)

    watching = asyncio.create_task(everything(watched()))
    await scene.work()
    told = await watching
    assert [each.event.message for each in told if each.HasField("event")] == [
        "The run has 2 items.",
        "1 items passed, 1 failed, 0 had errors.",
    ]
    last = told[-1].run
    assert (last.status, last.result_counts.passed, last.progress.done) == (eval_run_pb2.EVAL_RUN_STATUS_COMPLETED, 1, 2)
    assert not last.HasField("data_source"), "it may be as large as a request"
    again = await everything(watched(after_sequence=1))
    assert [each.sequence for each in again if each.HasField("event")] == [2]


async def test_it_stops_at_once_when_its_client_goes(scene: Scene) -> None:
    job = await create(scene)
    call = watch(scene, job.id)
    await asyncio.wait_for(call.read(), WAIT_S)
    assert scene.edge._grpc_edge.watches.in_progress(ACME.org_id) == 1
    call.cancel()
    await freed(scene)


async def test_a_deadline_ends_it(scene: Scene) -> None:
    job = await create(scene)
    asked = pb.WatchFineTuningJobRequest(fine_tuning_job_id=job.id)
    error = await ended(scene.tuning.WatchFineTuningJob(asked, metadata=AUTH, timeout=0.5))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await freed(scene)


async def test_its_longest_life_ends_with_a_status_of_its_own(unstarted: Scene) -> None:
    async with unstarted.running(watch_s=0.3) as scene:
        job = await create(scene)
        refusal = refusal_of(await ended(watch(scene, job.id)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "WATCH_ENDED")
        await freed(scene)


async def test_an_organization_has_so_many_at_a_time(unstarted: Scene) -> None:
    async with unstarted.running(max_watches=2) as scene:
        job = await create(scene)
        held = [watch(scene, job.id) for _ in range(2)]
        for call in held:
            await asyncio.wait_for(call.read(), WAIT_S)
        refusal = refusal_of(await ended(watch(scene, job.id)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CONCURRENCY_LIMIT_EXCEEDED")
        assert "2 watches" in refusal.message
        held[0].cancel()
        async with asyncio.timeout(WAIT_S):
            while scene.edge._grpc_edge.watches.in_progress(ACME.org_id) > 1:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.005)
        await asyncio.wait_for(watch(scene, job.id).read(), WAIT_S)


async def test_a_reader_that_takes_nothing_is_given_up(unstarted: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()
    acquire = ConcurrencyLimit.acquire

    def acquired(limit: ConcurrencyLimit, org_id: str) -> Slot:
        began.set()
        return acquire(limit, org_id)

    monkeypatch.setattr(ConcurrencyLimit, "acquire", acquired)
    async with unstarted.running(write_timeout_s=0.3) as scene:
        job = await create(scene)
        events = [NewEvent("x" * 8000, data={"x": "y" * 60_000})] * 200
        spec = (await scene.served.jobs.get(ACME, job.id)).spec
        big = await scene.served.jobs.create(ACME, KIND, spec, job_id="ftjob-" + "1" * 32, events=events)
        options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 << 10)]
        async with grpc.aio.insecure_channel(scene.address, options=options) as channel:
            stub = type(scene.tuning)(channel)
            call = stub.WatchFineTuningJob(pb.WatchFineTuningJobRequest(fine_tuning_job_id=big.id), metadata=AUTH)
            await asyncio.wait_for(began.wait(), WAIT_S)
            await freed(scene)
            assert (await ended(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_run_that_is_deleted_ends_its_watch(scene: Scene) -> None:
    """It is cancelled before it is deleted, so that a watch may meet either."""
    eval_id = await an_eval(scene)
    run_id = await a_run(scene, eval_id)
    call = scene.evals.WatchEvalRun(evals_pb2.WatchEvalRunRequest(eval_id=eval_id, run_id=run_id), metadata=AUTH)
    await asyncio.wait_for(call.read(), WAIT_S)
    await scene.evals.DeleteEvalRun(evals_pb2.DeleteEvalRunRequest(eval_id=eval_id, run_id=run_id), metadata=AUTH)
    told: list[Any] = []
    with contextlib.suppress(grpc.aio.AioRpcError):
        told = await everything(call)
    if await call.code() is grpc.StatusCode.OK:
        assert told[-1].run.status == eval_run_pb2.EVAL_RUN_STATUS_CANCELED
    else:
        assert await call.code() is grpc.StatusCode.NOT_FOUND
