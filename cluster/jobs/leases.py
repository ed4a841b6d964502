"""The workers' side of the jobs' tables: who has which job, and what whoever has it may write.

Every lease has a number, the fencing token, that rises with each change of hands. All that a worker writes begins with locking the
job's row under that number: a worker that was given up for dead, and lives, finds no such row, and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.jobs import JobsSettings
from cluster.jobs.errors import LeaseLost
from cluster.jobs.model import LEASED, MAX_MESSAGE_CHARS, Job, JobError, JobState, NewEvent
from cluster.jobs.rows import add_events, change_state, encoded, job_of, storable
from cluster.store.database import Database
from cluster.store.tables import JobRow, JobTurnRow

_TURNS = 50
"""Organizations that one look for a job tries, those that have waited longest first."""
_ABANDONED = 50
_ERROR_BYTES = 64 << 10
_LABEL_CHARS = 200

GIVEN_UP = JobError("job_attempts_exhausted", "The job ended unexpectedly too often. Its log tells how far it came.")


@dataclass(frozen=True, slots=True)
class Lease:
    """A job as it was when it was leased, and the token. ``taken_over``: from a worker that was not heard of any more."""

    job: Job
    token: int
    taken_over: bool


class JobLeases:
    """One worker's. Every method may raise :class:`~cluster.errors.StoreUnavailable`."""

    def __init__(self, database: Database, settings: JobsSettings, worker_id: str, now: Callable[[], float] = time.time) -> None:
        """``worker_id``: for whoever looks at the table; nothing depends on it."""
        self._database = database
        self._settings = settings
        self._worker_id = worker_id
        self._now = now

    # --- getting jobs -----------------------------------------------------------------------------------------------------

    async def lease(self, kinds: Collection[str]) -> Lease | None:
        """The oldest job that may run, of the organization whose turn it is; ``None`` when there is none.

        It is the turn of the organization that was last given one the longest time ago, of those that have a job waiting and are
        below their limit.
        """
        now = self._now()
        async with self._database.session() as session:
            turns = list(await session.scalars(self._turns(kinds, now)))
        for org_id in turns:
            leased = await self._lease_of(org_id, kinds)
            if leased is not None:
                return leased
        return None

    def _turns(self, kinds: Collection[str], now: float) -> Select[str]:
        turn = JobTurnRow
        waiting = select(JobRow.id).where(JobRow.org_id == turn.org_id, *_may_run(kinds, now)).exists()
        running = _running(turn.org_id, now).scalar_subquery()
        query = select(turn.org_id).where(waiting, running < self._settings.max_running_per_organization)
        return query.order_by(turn.leased_us, turn.org_id).limit(_TURNS)

    async def _lease_of(self, org_id: str, kinds: Collection[str]) -> Lease | None:
        async with self._database.transaction() as session:
            # A turn that somebody else has locked is being given a job. No two workers count what runs before either has leased.
            locked = select(JobTurnRow).where(JobTurnRow.org_id == org_id).with_for_update(skip_locked=True)
            turn = (await session.execute(locked)).scalar_one_or_none()
            if turn is None:
                return None
            now = self._now()
            running = (await session.execute(_running(org_id, now))).scalar_one()
            if running >= self._settings.max_running_per_organization:
                return None
            oldest = select(JobRow).where(JobRow.org_id == org_id, *_may_run(kinds, now)).order_by(JobRow.created_us, JobRow.id)
            row = (await session.execute(oldest.limit(1).with_for_update(skip_locked=True))).scalar_one_or_none()
            if row is None:
                return None
            taken_over = row.state == JobState.RUNNING
            if taken_over:
                row.failures += 1
                if row.failures >= self._settings.max_attempts:
                    await _fail(session, row, GIVEN_UP, now)
                    return None
                again = NewEvent("The worker of the job was lost; another one goes on with it.", "warn", "retry")
                await add_events(session, row, [again], now)
            row.state = JobState.RUNNING
            row.attempts += 1
            row.lease_token += 1
            row.lease_owner = self._worker_id
            row.lease_expires_at = now + self._settings.lease_s
            row.started_at = row.started_at if row.started_at is not None else int(now)
            row.revision += 1
            # Rises even where the clock does not, so that two organizations take turns.
            turn.leased_us = max(int(now * 1_000_000), turn.leased_us + 1)
            return Lease(job_of(row), row.lease_token, taken_over)

    async def end_abandoned(self) -> int:
        """End jobs that were to stop when their worker was lost; how many that were."""
        now = self._now()
        row = JobRow
        stopping = (JobState.PAUSING, JobState.CANCELLING)
        lost = select(row).where(row.finished_at.is_(None), row.state.in_(stopping), row.lease_expires_at <= now)
        ended = 0
        async with self._database.transaction() as session:
            for each in await session.scalars(lost.limit(_ABANDONED).with_for_update(skip_locked=True)):
                await _stop(session, each, now)
                ended += 1
        return ended

    # --- with a lease -----------------------------------------------------------------------------------------------------

    async def heartbeat(self, lease: Lease) -> JobState:
        """Go on having the job; the state that it is in. Raises :class:`LeaseLost`."""
        async with self._database.transaction() as session:
            query = (
                update(JobRow)
                .where(JobRow.id == lease.job.id, JobRow.lease_token == lease.token)
                .values(lease_expires_at=self._now() + self._settings.lease_s)
                .returning(JobRow.state)
            )
            state = (await session.execute(query)).scalar_one_or_none()
        if state is None:
            raise LeaseLost
        return JobState(state)

    @asynccontextmanager
    async def writing(self, lease: Lease) -> AsyncIterator[tuple[AsyncSession, JobRow]]:
        """A transaction with the job's row, locked. Raises :class:`LeaseLost`, before anything is written."""
        async with self._database.transaction() as session:
            query = select(JobRow).where(JobRow.id == lease.job.id, JobRow.lease_token == lease.token).with_for_update()
            row = (await session.execute(query)).scalar_one_or_none()
            if row is None:
                raise LeaseLost
            yield session, row

    async def succeed(self, lease: Lease, result: bytes) -> JobState:
        async with self.writing(lease) as (_, row):
            row.result = result
            change_state(row, JobState.SUCCEEDED, self._now())
            return JobState.SUCCEEDED

    async def fail(self, lease: Lease, error: JobError) -> JobState:
        """The job's own fault. One that is being cancelled is cancelled all the same."""
        async with self.writing(lease) as (session, row):
            now = self._now()
            if row.state == JobState.CANCELLING:
                await _stop(session, row, now)
            else:
                await _fail(session, row, error, now)
            return JobState(row.state)

    async def retry(self, lease: Lease) -> JobState:
        """The run ended in an unexpected error: queue the job again, for a while later, or fail it after too many."""
        async with self.writing(lease) as (session, row):
            now = self._now()
            row.failures += 1
            if row.state != JobState.CANCELLING and row.failures >= self._settings.max_attempts:
                await _fail(session, row, GIVEN_UP, now)
            elif row.state != JobState.RUNNING:
                await _stop(session, row, now)
            else:
                delay_s = min(self._settings.retry_delay_s * 2.0 ** (row.failures - 1), self._settings.max_retry_delay_s)
                row.available_at = now + delay_s
                change_state(row, JobState.QUEUED, now)
                message = f"The job ended unexpectedly; it is tried again in {delay_s:g} s."
                await add_events(session, row, [NewEvent(message, "warn", "retry")], now)
            return JobState(row.state)

    async def release(self, lease: Lease) -> JobState:
        """The run has left off, as it was asked to. A job that is neither paused nor cancelled may be leased again at once."""
        async with self.writing(lease) as (session, row):
            now = self._now()
            if row.state == JobState.RUNNING:
                row.available_at = now
                change_state(row, JobState.QUEUED, now)
            else:
                await _stop(session, row, now)
            return JobState(row.state)


def _may_run(kinds: Collection[str], now: float) -> tuple[ColumnElement[bool], ...]:
    """Conditions that an index on unfinished jobs answers."""
    row = JobRow
    queued = and_(row.state == JobState.QUEUED, row.available_at <= now)
    lost = and_(row.state == JobState.RUNNING, row.lease_expires_at <= now)
    return row.finished_at.is_(None), or_(queued, lost), row.kind.in_(sorted(kinds))


def _running(org_id: object, now: float) -> Select[int]:
    row = JobRow
    leased = (row.finished_at.is_(None), row.state.in_(sorted(LEASED)), row.lease_expires_at > now)
    return select(func.count()).select_from(row).where(row.org_id == org_id, *leased)


async def _fail(session: AsyncSession, row: JobRow, error: JobError, now: float) -> None:
    # Whatever a handler has put into it, the job must be able to fail.
    param = storable(error.param)[:_LABEL_CHARS] if error.param is not None else None
    shown = {"code": storable(error.code)[:_LABEL_CHARS], "message": storable(error.message)[:MAX_MESSAGE_CHARS], "param": param}
    row.error = encoded(shown, _ERROR_BYTES, "an error")
    change_state(row, JobState.FAILED, now)
    await add_events(session, row, [NewEvent(error.message, "error", "message", {"error": shown})], now)


async def _stop(session: AsyncSession, row: JobRow, now: float) -> None:
    cancelled = row.state == JobState.CANCELLING
    change_state(row, JobState.CANCELLED if cancelled else JobState.PAUSED, now)
    await add_events(session, row, [NewEvent("The job was cancelled." if cancelled else "The job was paused.")], now)
