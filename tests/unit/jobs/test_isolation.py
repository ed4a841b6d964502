"""Jobs of another organization, and of another project, might as well not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from cluster.errors import Conflict, InvalidRequest, NotFound
from cluster.identity.principal import Principal
from cluster.jobs.model import Job, JobFilter, JobState, NewEvent
from cluster.jobs.service import Jobs
from tests.unit.jobs.bench import ACME, ACME_OTHER_PROJECT, GLOBEX, Bench

UNKNOWN = "job_" + "0" * 32
OTHERS = pytest.mark.parametrize("principal", [GLOBEX, ACME_OTHER_PROJECT], ids=["organization", "project"])
ADMIN = Principal("", "", "key_" + "d" * 32, admin=True)


async def watched(jobs: Jobs, principal: Principal, job_id: str) -> object:
    async with aclosing(jobs.watch(principal, job_id)) as seen:
        return await anext(seen)


VERBS: dict[str, Callable[[Jobs, Principal, str], Awaitable[object]]] = {
    "get": lambda jobs, principal, job_id: jobs.get(principal, job_id),
    "cancel": lambda jobs, principal, job_id: jobs.cancel(principal, job_id),
    "pause": lambda jobs, principal, job_id: jobs.pause(principal, job_id),
    "resume": lambda jobs, principal, job_id: jobs.resume(principal, job_id),
    "events": lambda jobs, principal, job_id: jobs.events(principal, job_id),
    "watch": watched,
}


@pytest.fixture
async def job(bench: Bench) -> Job:
    return await bench.jobs.create(ACME, "sum", {"secret": 1}, events=[NewEvent("Created.")])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("principal", [GLOBEX, ACME_OTHER_PROJECT, ADMIN], ids=["organization", "project", "admin"])
async def test_a_job_of_somebody_else_is_answered_as_one_that_does_not_exist(
    bench: Bench, job: Job, principal: Principal, verb: str
) -> None:
    answers = []
    for job_id in (job.id, UNKNOWN):
        with pytest.raises(NotFound) as refused:
            await VERBS[verb](bench.jobs, principal, job_id)
        answers.append((refused.value.message.replace(job_id, "…"), refused.value.code, refused.value.param))
    assert answers[0] == answers[1]
    assert await bench.jobs.get(ACME, job.id) == job
    assert await bench.messages(job) == ["Created."]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("text", ["", "job_", "%", "job_' OR '1'='1", "job_" + "G" * 32, "x" * 10_000])
async def test_a_guess_that_is_no_id_is_answered_alike(bench: Bench, job: Job, verb: str, text: str) -> None:
    with pytest.raises(NotFound) as refused:
        await VERBS[verb](bench.jobs, ACME, text)
    assert len(refused.value.message) < 200


@OTHERS
async def test_lists_hold_ones_own_jobs_alone(bench: Bench, job: Job, principal: Principal) -> None:
    assert (await bench.jobs.list(principal, "sum")).jobs == []
    assert (await bench.jobs.list(principal, "sum", JobFilter(ids=(job.id,)))).jobs == []
    with pytest.raises(InvalidRequest) as theirs:
        await bench.jobs.list(principal, "sum", after=job.id)
    with pytest.raises(InvalidRequest) as nobodys:
        await bench.jobs.list(principal, "sum", after=UNKNOWN)
    assert theirs.value.message == nobodys.value.message


@OTHERS
async def test_an_event_of_somebody_else_is_no_place_in_ones_own_log(bench: Bench, job: Job, principal: Principal) -> None:
    theirs = (await bench.jobs.events(ACME, job.id)).events[0]
    own = await bench.jobs.create(principal, "sum", {})
    with pytest.raises(InvalidRequest):
        await bench.jobs.events(principal, own.id, after=theirs.id)


@OTHERS
async def test_the_id_of_somebody_elses_job_can_not_be_taken(bench: Bench, job: Job, principal: Principal) -> None:
    with pytest.raises(Conflict) as refused:
        await bench.jobs.create(principal, "sum", {"secret": 1}, job_id=job.id)
    assert "secret" not in refused.value.message
    assert (await bench.jobs.get(ACME, job.id)).state is JobState.QUEUED
