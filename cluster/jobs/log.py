"""The log of a job as its owners see it: page by page, or as it is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.jobs import JobsSettings
from cluster.errors import InvalidRequest
from cluster.identity.principal import Principal
from cluster.jobs.model import EventPage, Job, JobEvent, is_event_id, is_job_id
from cluster.jobs.rows import event_of, job_of
from cluster.jobs.scope import no_such_job, own, own_job
from cluster.jobs.wake import Wake, wait
from cluster.store.database import Database
from cluster.store.tables import JobEventRow, JobRow

Order = Literal["asc", "desc"]

_WATCH_PAGE = 500


class JobLog:
    """Methods raise :class:`~cluster.errors.NotFound` for what does not exist or is not the caller's own, alike."""

    def __init__(self, database: Database, settings: JobsSettings, wake: Wake) -> None:
        self._database = database
        self._settings = settings
        self._wake = wake

    async def page(self, principal: Principal, job_id: str, limit: int, after: str | None, order: Order) -> EventPage:
        """By their sequence. Raises :class:`InvalidRequest` for an ``after`` that is not an event of this job."""
        event = JobEventRow
        async with self._database.session() as session:
            job = await own_job(session, principal, job_id)
            query = select(event).where(event.job_id == job.id, event.org_id == principal.org_id)
            if after is not None:
                place = None
                if is_event_id(after):
                    found = select(event.sequence).where(event.id == after, event.job_id == job.id)
                    place = (await session.execute(found)).scalar_one_or_none()
                if place is None:
                    raise InvalidRequest("Invalid 'after': there is no such event.", param="after", code="invalid_value")
                query = query.where(event.sequence < place if order == "desc" else event.sequence > place)
            query = query.order_by(event.sequence.desc() if order == "desc" else event.sequence).limit(limit + 1)
            events = [event_of(each) for each in await session.scalars(query)]
        return EventPage(events[:limit], has_more=len(events) > limit)

    async def watch(self, principal: Principal, job_id: str, after_sequence: int = 0) -> AsyncGenerator[JobEvent | Job, None]:
        """Each event after ``after_sequence`` once, in order, and the job whenever it has changed; ends with the finished job.

        The first thing told of a job that is not finished is the job as it is. Raises :class:`NotFound` before anything is told.
        """
        revision, last = -1, None
        while True:
            ticket = self._wake.ticket(job_id)
            async with self._database.session() as session:
                query = select(JobRow.revision).where(JobRow.id == job_id, *own(principal))
                newest = (await session.execute(query)).scalar_one_or_none()
                if newest is None or not is_job_id(job_id):
                    raise no_such_job(job_id)
                if newest != revision:
                    # The job first: events that come between the two questions are told too early, which harms nobody. The last
                    # events of a finished job are there before it is.
                    row = await own_job(session, principal, job_id)
                    job, revision = job_of(row), row.revision
                    events = await self._events_after(session, principal, job_id, after_sequence)
                else:
                    job, events = None, list[JobEvent]()
            if job is not None and last is None:
                last = job
                if not job.state.finished:
                    yield job
            while events:
                for event in events:
                    yield event
                after_sequence = events[-1].sequence
                async with self._database.session() as session:
                    events = await self._events_after(session, principal, job_id, after_sequence)
            if job is not None and (job != last or job.state.finished):
                last = job
                yield job
                if job.state.finished:
                    return
            await wait(ticket, self._settings.watch_interval_s)

    async def _events_after(self, session: AsyncSession, principal: Principal, job_id: str, sequence: int) -> list[JobEvent]:
        event = JobEventRow
        query = select(event).where(event.job_id == job_id, event.org_id == principal.org_id, event.sequence > sequence)
        return [event_of(each) for each in await session.scalars(query.order_by(event.sequence).limit(_WATCH_PAGE))]
