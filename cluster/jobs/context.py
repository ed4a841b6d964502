"""What a handler works with: the job, its steps, its events, and word that it is to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.identity.principal import Principal
from cluster.jobs.errors import JobStopped, LeaseLost, StopReason
from cluster.jobs.leases import JobLeases, Lease
from cluster.jobs.model import MAX_OUTPUT_BYTES, MAX_STEP_CHARS, Job, JobState, Json, Level, NewEvent
from cluster.jobs.rows import add_events, decoded, encoded
from cluster.jobs.wake import Wake
from cluster.store.database import Database
from cluster.store.tables import JobRow, JobStepRow

_STOPPING = {JobState.CANCELLING: StopReason.CANCEL, JobState.PAUSING: StopReason.PAUSE}


class JobContext:
    """One run of one job. Methods that write raise :class:`JobStopped` when the lease is lost, and have then written nothing.

    Several tasks of a handler may use it at once.
    """

    def __init__(
        self, lease: Lease, leases: JobLeases, database: Database, wake: Wake, now: Callable[[], float] = time.time
    ) -> None:
        self.job: Job = lease.job
        """As it was when this run began."""
        self.principal = Principal(lease.job.organization_id, lease.job.project_id, lease.job.created_by)
        """In whose name to read, write and ask models: the organization and project of whoever created the job."""
        self.stopping = asyncio.Event()
        """Set when this run is to leave off; :meth:`check` says why."""
        self.lost = asyncio.Event()
        """Set when the job is not this run's any more: it is broken off without a grace."""
        self._reason: StopReason | None = None
        self._lease = lease
        self._leases = leases
        self._database = database
        self._wake = wake
        self._now = now
        self._steps_under_way: set[str] = set()

    @property
    def stop_reason(self) -> StopReason | None:
        return self._reason

    async def check(self) -> None:
        """Raise :class:`JobStopped` if this run is to leave off. Costs nothing: to be called often."""
        if self._reason is not None:
            raise JobStopped(self._reason)

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """What ``work`` gave, this time or in an earlier run: once its output is recorded, it is not done again.

        ``work`` may run twice when the worker dies between its end and the record; what it does must bear that. The output is given
        as JSON gives it back: a tuple has become a list, the first time as well.
        """
        with self._under_way(name):
            recorded = await self._recorded(name)
            if recorded is not None:
                return decoded(recorded)
            output = encoded(await work(), MAX_OUTPUT_BYTES, f"the output of step {name!r}")
            async with self._writing() as (session, row):
                await self._record(session, row, name, output)
        return decoded(output)

    async def transaction(self, name: str, write: Callable[[AsyncSession], Awaitable[Json]]) -> Json:
        """A step that writes into the cluster's database alone: its writes and its record are made together, exactly once.

        ``write`` must neither commit nor wait for anything but the database: it holds the job's row, and SQLite's only writer.
        """
        with self._under_way(name):
            recorded = await self._recorded(name)
            if recorded is not None:
                return decoded(recorded)
            async with self._writing() as (session, row):
                output = encoded(await write(session), MAX_OUTPUT_BYTES, f"the output of step {name!r}")
                await self._record(session, row, name, output)
        return decoded(output)

    async def event(
        self,
        message: str,
        *,
        level: Level = "info",
        type: str = "message",
        data: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> None:
        """Write an event into the job's log. With ``key`` it is written once, even when the job is run again."""
        event = NewEvent(message, level, type, dict(data) if data is not None else {}, key)
        async with self._writing() as (session, row):
            await add_events(session, row, [event], self._now())

    async def progress(self, data: Mapping[str, Any]) -> None:
        """Replace what the job shows of its progress."""
        body = encoded(data, MAX_OUTPUT_BYTES, "the progress")
        async with self._writing() as (_, row):
            if row.progress != body:
                row.progress = body
                row.revision += 1

    # --- for the worker ---------------------------------------------------------------------------------------------------

    def stop(self, reason: StopReason) -> None:
        """The first reason stays, except that a lost lease overrides all others."""
        if self._reason is None or reason is StopReason.LEASE_LOST:
            self._reason = reason
        if reason is StopReason.LEASE_LOST:
            self.lost.set()
        self.stopping.set()

    def seen(self, state: JobState) -> None:
        """Take note of the state that the job is in."""
        if state in _STOPPING:
            self.stop(_STOPPING[state])

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _under_way(self, name: str) -> _Step:
        if not 0 < len(name) <= MAX_STEP_CHARS:
            raise ValueError(f"a step's name has 1 to {MAX_STEP_CHARS} characters")
        return _Step(name, self._steps_under_way)

    async def _recorded(self, name: str) -> bytes | None:
        await self.check()
        step = JobStepRow
        async with self._database.session() as session:
            query = select(step.output).where(step.job_id == self.job.id, step.name == name)
            return (await session.execute(query)).scalar_one_or_none()

    async def _record(self, session: AsyncSession, row: JobRow, name: str, output: bytes) -> None:
        session.add(JobStepRow(job_id=row.id, name=name, org_id=row.org_id, output=output, recorded_at=int(self._now())))
        # It gets on: what had gone wrong before it came this far does not count any more.
        row.failures = 0

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[tuple[AsyncSession, JobRow]]:
        """A transaction that is made only if the job is still this run's. Whatever it sees of the job's state is taken note of."""
        try:
            async with self._leases.writing(self._lease) as (session, row):
                yield session, row
        except LeaseLost:
            self.stop(StopReason.LEASE_LOST)
            raise
        self.seen(JobState(row.state))
        self._wake.changed(row.id)


class _Step:
    """Guards against two tasks that do a step of the same name at once: one of them would be done for nothing."""

    def __init__(self, name: str, under_way: set[str]) -> None:
        self._name = name
        self._under_way = under_way

    def __enter__(self) -> None:
        if self._name in self._under_way:
            raise RuntimeError(f"step {self._name!r} is under way already")
        self._under_way.add(self._name)

    def __exit__(self, *_: object) -> None:
        self._under_way.discard(self._name)
