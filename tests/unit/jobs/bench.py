"""Jobs with a clock that stands still until it is moved, workers that tests start and close, handlers made of functions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from cluster.config.settings.jobs import JobsSettings
from cluster.identity.principal import Principal
from cluster.jobs.context import JobContext
from cluster.jobs.handler import JobHandler
from cluster.jobs.leases import JobLeases, Lease
from cluster.jobs.model import Job, JobEvent, JobState
from cluster.jobs.service import Jobs
from cluster.jobs.wake import Wake
from cluster.jobs.worker import JobWorker
from cluster.store.database import Database

ACME = Principal("org_" + "a" * 32, "proj_" + "a" * 32, "key_" + "a" * 32)
ACME_OTHER_PROJECT = Principal(ACME.org_id, "proj_" + "b" * 32, "key_" + "b" * 32)
GLOBEX = Principal("org_" + "c" * 32, "proj_" + "c" * 32, "key_" + "c" * 32)
SETTINGS = JobsSettings(
    lease_s=30.0,
    heartbeat_s=0.05,
    poll_interval_s=0.05,
    watch_interval_s=0.05,
    stop_grace_s=0.2,
    max_attempts=3,
    retry_delay_s=5.0,
    max_retry_delay_s=8.0,
)

Work = Callable[[JobContext], Awaitable[dict[str, Any]]]


@dataclass
class Clock:
    time_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time_s


@dataclass(frozen=True)
class Handler:
    work: Work
    kind: str = "sum"

    async def run(self, context: JobContext) -> dict[str, Any]:
        return await self.work(context)


@dataclass
class Counts:
    """Metrics that tests read."""

    ended: list[str] = field(default_factory=list)
    taken_over: int = 0

    def job_taken_over(self, kind: str) -> None:
        self.taken_over += 1

    def job_run_ended(self, kind: str, outcome: str, duration_s: float) -> None:
        assert duration_s >= 0
        self.ended.append(outcome)


class Bench:
    def __init__(self, database: Database, settings: JobsSettings = SETTINGS) -> None:
        self.database = database
        self.settings = settings
        self.clock = Clock()
        self.wake = Wake()
        self.jobs = Jobs(database, settings, self.wake, self.clock)
        self.counts = Counts()
        self._workers: list[JobWorker] = []

    def with_settings(self, **changes: object) -> Bench:
        self.settings = self.settings.model_copy(update=changes)
        self.jobs = Jobs(self.database, self.settings, self.wake, self.clock)
        return self

    def worker(self, *works: Work | JobHandler) -> JobWorker:
        handlers: Iterable[JobHandler] = [Handler(work) if callable(work) else work for work in works]
        self._workers.append(JobWorker(handlers, self.database, self.settings, self.counts, self.wake, self.clock))
        return self._workers[-1]

    def leases(self) -> JobLeases:
        return JobLeases(self.database, self.settings, "test", self.clock)

    async def leased(self, kinds: Iterable[str] = ("sum",)) -> Lease:
        lease = await self.leases().lease(list(kinds))
        assert lease is not None
        return lease

    async def state(self, job: Job, principal: Principal = ACME) -> JobState:
        return (await self.jobs.get(principal, job.id)).state

    async def messages(self, job: Job, principal: Principal = ACME) -> list[str]:
        return [event.message for event in (await self.jobs.events(principal, job.id, limit=1000)).events]

    async def until(self, job: Job, *states: JobState) -> Job:
        """Watch it until it is in one of the states."""
        async with asyncio.timeout(120), aclosing(self.jobs.watch(ACME, job.id)) as watched:
            async for seen in watched:
                if not isinstance(seen, JobEvent) and seen.state in states:
                    return seen
        raise AssertionError(f"it ended {seen}")

    async def close(self) -> None:
        for worker in self._workers:
            await worker.close()
