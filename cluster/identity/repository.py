"""Rows of organizations, projects and keys: the statements that more than one caller needs, inside the caller's transaction."""

from __future__ import annotations

import time

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import NotFound
from cluster.identity.secrets import hint, is_id, new_id, secret_hash
from cluster.store.tables import IDENTITY_REVISION, ApiKeyRow, OrganizationRow, ProjectRow, RevisionRow

DEFAULT_PROJECT = "Default project"


def unix_now() -> int:
    return int(time.time())


async def add_organization(session: AsyncSession, name: str) -> OrganizationRow:
    """An organization and its default project. A taken name raises ``IntegrityError``."""
    organization = OrganizationRow(id=new_id("org"), name=name, created_at=unix_now())
    session.add(organization)
    await session.flush()
    await add_project(session, organization.id, DEFAULT_PROJECT, is_default=True)
    return organization


async def add_project(session: AsyncSession, org_id: str, name: str, *, is_default: bool = False) -> ProjectRow:
    project = ProjectRow(id=new_id("proj"), org_id=org_id, name=name, is_default=is_default, created_at=unix_now())
    session.add(project)
    await session.flush()
    return project


async def add_key(session: AsyncSession, secret: str, name: str, project: ProjectRow | None) -> ApiKeyRow:
    """A key of ``project``, or an admin key when there is none."""
    key = ApiKeyRow(
        id=new_id("key"),
        org_id=project.org_id if project else None,
        project_id=project.id if project else None,
        admin=project is None,
        name=name,
        secret_hash=secret_hash(secret),
        hint=hint(secret),
        created_at=unix_now(),
        last_used_at=None,
        revoked_at=None,
        # No gateway can hold a wrong entry for a secret that did not exist before.
        revision=0,
    )
    session.add(key)
    await session.flush()
    return key


async def organization(session: AsyncSession, org_id: str) -> OrganizationRow:
    """Raises :class:`NotFound` (``org_id``)."""
    found = await session.get(OrganizationRow, org_id) if is_id("org", org_id) else None
    if found is None:
        raise NotFound("There is no such organization.", param="org_id")
    return found


async def project(session: AsyncSession, org_id: str, project_id: str | None) -> ProjectRow:
    """A project of this organization, the default one for ``None``. Raises :class:`NotFound` (``org_id``, ``project_id``)."""
    await organization(session, org_id)
    query = select(ProjectRow).where(ProjectRow.org_id == org_id)
    if project_id is None:
        return (await session.execute(query.where(ProjectRow.is_default))).scalar_one()
    found = None
    if is_id("proj", project_id):
        found = (await session.execute(query.where(ProjectRow.id == project_id))).scalar_one_or_none()
    if found is None:
        raise NotFound("The organization has no such project.", param="project_id")
    return found


async def raise_revision(session: AsyncSession) -> int:
    """The next identity revision. Its row stays locked until the commit, so that revisions become visible in their order."""
    statement = (
        update(RevisionRow)
        .where(RevisionRow.name == IDENTITY_REVISION)
        .values(value=RevisionRow.value + 1)
        .returning(RevisionRow.value)
    )
    return (await session.execute(statement)).scalar_one()


REVISION = select(RevisionRow.value).where(RevisionRow.name == IDENTITY_REVISION)


async def revision(session: AsyncSession) -> int:
    return (await session.execute(REVISION)).scalar_one()
