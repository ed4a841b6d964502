"""Which jobs are a caller's own: every query of the users' side goes through here."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import NotFound
from cluster.identity.principal import Principal
from cluster.jobs.model import is_job_id
from cluster.store.tables import JobRow


def own(principal: Principal) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return JobRow.org_id == principal.org_id, JobRow.project_id == principal.project_id


async def find_job(session: AsyncSession, principal: Principal, job_id: str, *, lock: bool = False) -> JobRow | None:
    if not is_job_id(job_id):
        return None
    query = select(JobRow).where(JobRow.id == job_id, *own(principal))
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def own_job(session: AsyncSession, principal: Principal, job_id: str, *, lock: bool = False) -> JobRow:
    """Raises :class:`NotFound` for what does not exist and for what is somebody else's, alike."""
    row = await find_job(session, principal, job_id, lock=lock)
    if row is None:
        raise no_such_job(job_id)
    return row


def no_such_job(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id[:100]!r}.", param="job_id", code="job_not_found")
