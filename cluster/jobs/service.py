"""Jobs as their organization's project sees them: create, list, get, cancel, pause, resume, watch. No query without a principal."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.jobs import JobsSettings
from cluster.errors import Conflict, InvalidRequest, RateLimited
from cluster.identity.principal import Principal
from cluster.jobs.log import JobLog, Order
from cluster.jobs.model import (
    FINISHED,
    LEASED,
    EventPage,
    Job,
    JobEvent,
    JobFilter,
    JobPage,
    JobState,
    NewEvent,
    is_job_id,
    is_kind,
    new_job_id,
)
from cluster.jobs.rows import add_events, change_state, decoded, encoded, job_of
from cluster.jobs.scope import find_job, own, own_job
from cluster.jobs.wake import Wake
from cluster.store.database import Database
from cluster.store.tables import JobRow, JobTurnRow

_CANCELLED = NewEvent("The job was cancelled.")
_CANCELLING = NewEvent("The job is being cancelled.")
_PAUSED = NewEvent("The job was paused.")
_PAUSING = NewEvent("The job is being paused.")
_RESUMED = NewEvent("The job was resumed.")


class Jobs:
    """Methods raise :class:`NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(
        self, database: Database, settings: JobsSettings, wake: Wake | None = None, now: Callable[[], float] = time.time
    ) -> None:
        """``wake``: shared with the worker of this process, if it has one."""
        self._database = database
        self._settings = settings
        self._wake = wake if wake is not None else Wake()
        self._log = JobLog(database, settings, self._wake)
        self._now = now

    async def create(
        self,
        principal: Principal,
        kind: str,
        spec: Mapping[str, Any],
        *,
        job_id: str | None = None,
        events: Sequence[NewEvent] = (),
    ) -> Job:
        """Queue a job. Creating one again, with the same id, kind and spec, gives the one that there is.

        Raises :class:`RateLimited` when the organization has too many that are not finished, :class:`InvalidRequest` for a spec
        that is too large, :class:`Conflict` when the id is taken by another job.
        """
        try:
            async with self._database.transaction() as session:
                job = await self.create_in(session, principal, kind, spec, job_id=job_id, events=events)
        except IntegrityError:
            # Another organization has just taken the id.
            async with self._database.session() as session:
                existing = await session.get(JobRow, job_id) if job_id is not None else None
                if existing is None:
                    raise
                job = self._same(existing, principal, kind, self._spec(spec))
        self._wake.waiting()
        return job

    async def create_in(
        self,
        session: AsyncSession,
        principal: Principal,
        kind: str,
        spec: Mapping[str, Any],
        *,
        job_id: str | None = None,
        events: Sequence[NewEvent] = (),
    ) -> Job:
        """As :meth:`create`, inside the caller's transaction: both are made, or neither is."""
        if not is_kind(kind) or (job_id is not None and not is_job_id(job_id)):
            raise ValueError(f"not a kind or id of a job: {kind!r}, {job_id!r}")
        body = self._spec(spec)
        # Locks the organization's turn as well, so that its jobs are counted and added by one at a time.
        await _ensure_turn(session, self._database.dialect, principal.org_id)
        if job_id is not None and (existing := await session.get(JobRow, job_id)) is not None:
            return self._same(existing, principal, kind, body)
        waiting = select(func.count()).where(JobRow.org_id == principal.org_id, JobRow.finished_at.is_(None))
        if (await session.execute(waiting)).scalar_one() >= self._settings.max_waiting_per_organization:
            raise RateLimited(
                f"Your organization has {self._settings.max_waiting_per_organization:,} unfinished jobs, which is the most it may "
                "have. Wait for some to finish, or cancel them.",
                code="too_many_jobs",
                retry_after_s=60.0,
            )
        now = self._now()
        row = JobRow(
            id=job_id if job_id is not None else new_job_id(),
            org_id=principal.org_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            kind=kind,
            state=JobState.QUEUED,
            spec=body,
            progress=b"{}",
            result=None,
            error=None,
            created_us=int(now * 1_000_000),
            started_at=None,
            finished_at=None,
            attempts=0,
            failures=0,
            available_at=now,
            lease_token=0,
            lease_owner=None,
            lease_expires_at=None,
            event_sequence=0,
            revision=1,
        )
        session.add(row)
        await session.flush()
        await add_events(session, row, events, now)
        return job_of(row)

    async def get(self, principal: Principal, job_id: str) -> Job:
        async with self._database.session() as session:
            return job_of(await own_job(session, principal, job_id))

    async def list(
        self,
        principal: Principal,
        kind: str,
        filters: JobFilter | None = None,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Order = "desc",
    ) -> JobPage:
        """By time of creation. Raises :class:`InvalidRequest` for an ``after`` that is not in the project's list of this kind."""
        row = JobRow
        query = select(row).where(*own(principal), row.kind == kind)
        filters = filters if filters is not None else JobFilter()
        if filters.states:
            query = query.where(row.state.in_(filters.states))
        if filters.ids is not None:
            query = query.where(row.id.in_(filters.ids))
        place = tuple_(row.created_us, row.id)
        async with self._database.session() as session:
            if after is not None:
                last = await find_job(session, principal, after)
                if last is None or last.kind != kind:
                    raise InvalidRequest("Invalid 'after': there is no such job.", param="after", code="invalid_value")
                here = (last.created_us, last.id)
                query = query.where(place < here if order == "desc" else place > here)
            columns = (row.created_us.desc(), row.id.desc()) if order == "desc" else (row.created_us, row.id)
            found = [job_of(each) for each in await session.scalars(query.order_by(*columns).limit(limit + 1))]
        return JobPage(found[:limit], has_more=len(found) > limit)

    async def cancel(self, principal: Principal, job_id: str) -> Job:
        """A job that no worker has is cancelled when this returns; another one as soon as its worker has left off.

        Cancelling twice changes nothing. Raises :class:`Conflict` for a job that has succeeded or failed.
        """
        async with self._database.transaction() as session:
            row = await own_job(session, principal, job_id, lock=True)
            state = JobState(row.state)
            if state in (JobState.SUCCEEDED, JobState.FAILED):
                raise Conflict(f"Job {row.id!r} has already {state}, and can't be cancelled.", param="job_id", code="job_finished")
            if state is not JobState.CANCELLED:
                now = self._now()
                if not _has_worker(row, now):
                    await self._change(session, row, JobState.CANCELLED, _CANCELLED, now)
                elif state is not JobState.CANCELLING:
                    await self._change(session, row, JobState.CANCELLING, _CANCELLING, now)
        return self._told(row)

    async def pause(self, principal: Principal, job_id: str) -> Job:
        """As :meth:`cancel`, until it is resumed. Raises :class:`Conflict` for a job that is finished or being cancelled."""
        async with self._database.transaction() as session:
            row = await own_job(session, principal, job_id, lock=True)
            state = JobState(row.state)
            if state in FINISHED or state is JobState.CANCELLING:
                raise Conflict(f"Job {row.id!r} is {state}, and can't be paused.", param="job_id", code="job_not_pausable")
            if state is not JobState.PAUSED:
                now = self._now()
                if not _has_worker(row, now):
                    await self._change(session, row, JobState.PAUSED, _PAUSED, now)
                elif state is JobState.RUNNING:
                    await self._change(session, row, JobState.PAUSING, _PAUSING, now)
        return self._told(row)

    async def resume(self, principal: Principal, job_id: str) -> Job:
        """Queue a paused job again. Changes nothing for one that waits or runs; else raises :class:`Conflict`."""
        async with self._database.transaction() as session:
            row = await own_job(session, principal, job_id, lock=True)
            state = JobState(row.state)
            if state in FINISHED or state is JobState.CANCELLING:
                raise Conflict(f"Job {row.id!r} is {state}, and can't be resumed.", param="job_id", code="job_not_resumable")
            now = self._now()
            if state is JobState.PAUSED:
                row.available_at = now
                row.failures = 0
                await self._change(session, row, JobState.QUEUED, _RESUMED, now)
            elif state is JobState.PAUSING:
                # Its worker may have heard of the pause, and leave off: then it is queued, as it has not been paused.
                await self._change(session, row, JobState.RUNNING, _RESUMED, now)
        return self._told(row)

    async def events(
        self, principal: Principal, job_id: str, *, limit: int = 20, after: str | None = None, order: Order = "asc"
    ) -> EventPage:
        """By their sequence. Raises :class:`InvalidRequest` for an ``after`` that is not an event of this job."""
        return await self._log.page(principal, job_id, limit, after, order)

    def watch(self, principal: Principal, job_id: str, after_sequence: int = 0) -> AsyncGenerator[JobEvent | Job, None]:
        """Each event after ``after_sequence`` once, in order, and the job whenever it has changed; ends with the finished job.

        Raises :class:`NotFound` before anything is told.
        """
        return self._log.watch(principal, job_id, after_sequence)

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _change(self, session: AsyncSession, row: JobRow, state: JobState, event: NewEvent, now: float) -> None:
        change_state(row, state, now)
        await add_events(session, row, [event], now)

    def _told(self, row: JobRow) -> Job:
        self._wake.changed(row.id)
        # It may wait for a worker now, or have made room for another one.
        self._wake.waiting()
        return job_of(row)

    def _spec(self, spec: Mapping[str, Any]) -> bytes:
        try:
            return encoded(spec, self._settings.max_spec_bytes, "The job's description")
        except ValueError as error:
            raise InvalidRequest(f"{error}.", code="job_too_large") from None

    def _same(self, existing: JobRow, principal: Principal, kind: str, body: bytes) -> Job:
        own = existing.org_id == principal.org_id and existing.project_id == principal.project_id
        if not own or existing.kind != kind or decoded(existing.spec) != decoded(body):
            raise Conflict("There is another job with this id.", param="job_id", code="job_exists")
        return job_of(existing)


def _has_worker(row: JobRow, now: float) -> bool:
    return row.state in LEASED and row.lease_expires_at is not None and row.lease_expires_at > now


async def _ensure_turn(session: AsyncSession, dialect: str, org_id: str) -> None:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    await session.execute(insert(JobTurnRow).values(org_id=org_id, leased_us=0).on_conflict_do_nothing())
    await session.execute(select(JobTurnRow).where(JobTurnRow.org_id == org_id).with_for_update())
