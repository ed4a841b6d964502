"""Who has a job: turns of organizations, limits, takeovers, and what a worker can write whose lease is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cluster.identity.principal import Principal
from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobStopped, LeaseLost, StopReason
from cluster.jobs.leases import Lease
from cluster.jobs.model import JobError, JobState
from tests.unit.jobs.bench import ACME, ACME_OTHER_PROJECT, GLOBEX, Bench

INITECH = Principal("org_" + "e" * 32, "proj_" + "e" * 32, "key_" + "e" * 32)


def context_of(bench: Bench, lease: Lease) -> JobContext:
    return JobContext(lease, bench.leases(), bench.database, bench.wake, bench.clock)


async def test_the_oldest_job_of_an_organization_comes_first(bench: Bench) -> None:
    ids = []
    for principal in (ACME, ACME_OTHER_PROJECT):
        ids.append((await bench.jobs.create(principal, "sum", {})).id)
        bench.clock.time_s += 1
    assert [(await bench.leased()).job.id for _ in range(2)] == ids


async def test_organizations_take_turns_however_many_jobs_one_has(bench: Bench) -> None:
    for principal, count in ((ACME, 6), (GLOBEX, 2), (INITECH, 1)):
        for _ in range(count):
            await bench.jobs.create(principal, "sum", {})
            bench.clock.time_s += 1
    served = []
    for _ in range(9):
        lease = await bench.leased()
        served.append({ACME.org_id: "A", GLOBEX.org_id: "G", INITECH.org_id: "I"}[lease.job.organization_id])
        await bench.leases().succeed(lease, b"{}")
    assert "".join(served) == "AGIAGAAAA"


async def test_an_organization_runs_no_more_than_its_share_at_a_time(bench: Bench) -> None:
    for _ in range(4):
        await bench.jobs.create(ACME, "sum", {})
    await bench.jobs.create(GLOBEX, "sum", {})
    leases = [await bench.leased() for _ in range(3)]
    assert sorted(lease.job.organization_id == ACME.org_id for lease in leases) == [False, True, True]
    assert await bench.leases().lease(["sum"]) is None
    await bench.leases().succeed(next(lease for lease in leases if lease.job.organization_id == ACME.org_id), b"{}")
    assert (await bench.leased()).job.organization_id == ACME.org_id


async def test_a_job_is_leased_by_one_worker_until_its_lease_runs_out(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    first = await bench.leased()
    assert (first.taken_over, first.job.state, first.job.attempts) == (False, JobState.RUNNING, 1)
    bench.clock.time_s += bench.settings.lease_s - 1
    assert await bench.leases().lease(["sum"]) is None
    bench.clock.time_s += 1
    second = await bench.leased()
    assert (second.job.id, second.taken_over, second.job.attempts) == (job.id, True, 2)
    assert second.token > first.token
    assert await bench.messages(job) == ["The worker of the job was lost; another one goes on with it."]


async def test_a_heartbeat_keeps_the_lease_and_tells_of_a_stop(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    for _ in range(3):
        bench.clock.time_s += bench.settings.lease_s - 1
        assert await bench.leases().heartbeat(lease) is JobState.RUNNING
    assert await bench.leases().lease(["sum"]) is None
    await bench.jobs.cancel(ACME, job.id)
    assert await bench.leases().heartbeat(lease) is JobState.CANCELLING


async def test_a_worker_that_comes_back_late_but_was_not_missed_goes_on(bench: Bench) -> None:
    await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    bench.clock.time_s += 10 * bench.settings.lease_s
    assert await bench.leases().heartbeat(lease) is JobState.RUNNING
    assert await bench.leases().succeed(lease, b"{}") is JobState.SUCCEEDED


async def nothing() -> None:
    return None


async def write_nothing(_: object) -> None:
    return None


WRITES: dict[str, Callable[[Bench, Lease], Awaitable[object]]] = {
    "heartbeat": lambda bench, lease: bench.leases().heartbeat(lease),
    "succeed": lambda bench, lease: bench.leases().succeed(lease, b"{}"),
    "fail": lambda bench, lease: bench.leases().fail(lease, JobError("x", "x")),
    "retry": lambda bench, lease: bench.leases().retry(lease),
    "release": lambda bench, lease: bench.leases().release(lease),
    "step": lambda bench, lease: context_of(bench, lease).step("one", nothing),
    "transaction": lambda bench, lease: context_of(bench, lease).transaction("one", write_nothing),
    "event": lambda bench, lease: context_of(bench, lease).event("too late"),
    "progress": lambda bench, lease: context_of(bench, lease).progress({"too": "late"}),
}


async def another_worker_has_it(bench: Bench, lease: Lease) -> None:
    bench.clock.time_s += bench.settings.lease_s
    assert (await bench.leased()).job.id == lease.job.id


async def it_was_cancelled_when_it_was_given_up(bench: Bench, lease: Lease) -> None:
    bench.clock.time_s += bench.settings.lease_s
    assert (await bench.jobs.cancel(ACME, lease.job.id)).state is JobState.CANCELLED


async def it_was_paused_and_resumed_when_it_was_given_up(bench: Bench, lease: Lease) -> None:
    bench.clock.time_s += bench.settings.lease_s
    assert (await bench.jobs.pause(ACME, lease.job.id)).state is JobState.PAUSED
    await bench.jobs.resume(ACME, lease.job.id)


async def it_was_given_back(bench: Bench, lease: Lease) -> None:
    await bench.leases().release(lease)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "meanwhile",
    [
        another_worker_has_it,
        it_was_cancelled_when_it_was_given_up,
        it_was_paused_and_resumed_when_it_was_given_up,
        it_was_given_back,
    ],
)
async def test_a_worker_that_has_lost_its_lease_writes_nothing_more(
    bench: Bench, write: str, meanwhile: Callable[[Bench, Lease], Awaitable[None]]
) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    await meanwhile(bench, lease)
    before = await bench.jobs.get(ACME, job.id), await bench.messages(job)
    with pytest.raises(LeaseLost):
        await WRITES[write](bench, lease)
    assert (await bench.jobs.get(ACME, job.id), await bench.messages(job)) == before


async def test_a_lost_lease_is_told_to_all_tasks_of_the_handler(bench: Bench) -> None:
    await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()
    await another_worker_has_it(bench, lease)
    context = context_of(bench, lease)
    with pytest.raises(JobStopped):
        await context.event("too late")
    assert context.stopping.is_set()
    with pytest.raises(JobStopped) as stopped:
        await context.check()
    assert stopped.value.reason is StopReason.LEASE_LOST


async def test_the_writes_of_a_transaction_are_undone_with_its_record(bench: Bench) -> None:
    """``transaction`` writes rows of its own: here, an event of another job."""
    job = await bench.jobs.create(ACME, "sum", {})
    lease = await bench.leased()

    async def create_and_die(session: Any) -> None:
        await bench.jobs.create_in(session, ACME, "other", {})
        raise KeyError

    with pytest.raises(KeyError):
        await context_of(bench, lease).transaction("one", create_and_die)
    assert (await bench.jobs.list(ACME, "other")).jobs == []

    async def create(session: Any) -> str:
        return (await bench.jobs.create_in(session, ACME, "other", {})).id

    created = [await context_of(bench, lease).transaction("one", create) for _ in range(2)]
    assert created == [(await bench.jobs.list(ACME, "other")).jobs[0].id] * 2
    assert await bench.state(job) is JobState.RUNNING


async def test_a_job_whose_workers_die_again_and_again_fails(bench: Bench) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    for _ in range(bench.settings.max_attempts):
        await bench.leased()
        bench.clock.time_s += bench.settings.lease_s
    assert await bench.leases().lease(["sum"]) is None
    done = await bench.jobs.get(ACME, job.id)
    assert (done.state, done.attempts) == (JobState.FAILED, bench.settings.max_attempts)


async def test_a_job_that_gets_on_survives_any_number_of_deaths(bench: Bench) -> None:
    await bench.jobs.create(ACME, "sum", {})
    for number in range(3 * bench.settings.max_attempts):
        await context_of(bench, await bench.leased()).step(str(number), nothing)
        bench.clock.time_s += bench.settings.lease_s
    await bench.leases().succeed(await bench.leased(), b"{}")


@pytest.mark.parametrize(("verb", "state"), [("cancel", JobState.CANCELLED), ("pause", JobState.PAUSED)])
async def test_a_job_that_was_to_stop_when_its_worker_died_is_stopped_by_any_worker(
    bench: Bench, verb: str, state: JobState
) -> None:
    job = await bench.jobs.create(ACME, "sum", {})
    await bench.leased()
    await getattr(bench.jobs, verb)(ACME, job.id)
    assert await bench.leases().end_abandoned() == 0
    bench.clock.time_s += bench.settings.lease_s
    assert await bench.leases().lease(["sum"]) is None
    assert await bench.leases().end_abandoned() == 1
    assert await bench.state(job) is state
    assert len(await bench.messages(job)) == 2


async def test_a_job_is_not_leased_for_a_kind_that_a_worker_does_not_know(bench: Bench) -> None:
    await bench.jobs.create(ACME, "other", {})
    assert await bench.leases().lease(["sum"]) is None
    assert await bench.leases().lease([]) is None
    assert (await bench.leased(["sum", "other"])).job.kind == "other"
