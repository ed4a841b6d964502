"""The first keys of a cluster, for whoever may open its database: no principal exists yet that could ask for them.

Idempotent, so that a cluster can do it at every start and several processes can do it at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import Conflict
from cluster.identity import repository
from cluster.identity.audit import AT_START, AuditLog, Outcome
from cluster.identity.models import ApiKey, Organization
from cluster.identity.names import clean_name
from cluster.identity.secrets import is_secret, secret_hash
from cluster.store.database import Database
from cluster.store.tables import ApiKeyRow, OrganizationRow, ProjectRow

EnsuredT = TypeVar("EnsuredT")


async def ensure_admin_key(database: Database, secret: str) -> ApiKey:
    """See to it that an admin key with this secret exists.

    Raises :class:`Conflict` when the secret belongs to something else or was revoked, ``ValueError`` when it does not look like a
    key (:func:`cluster.identity.secrets.new_secret` makes them).
    """

    async def attempt(session: AsyncSession) -> ApiKey:
        return ApiKey.of(await _ensure_key(session, AuditLog(database), secret, "Administration", None))

    return await _ensured(database, secret, attempt)


async def ensure_organization(database: Database, name: str, secret: str) -> tuple[Organization, ApiKey]:
    """See to it that an organization of this name, and a key of its default project with this secret, exist.

    Raises what :func:`ensure_admin_key` raises.
    """
    name = clean_name(name)

    async def attempt(session: AsyncSession) -> tuple[Organization, ApiKey]:
        found = await session.scalar(select(OrganizationRow).where(OrganizationRow.name == name))
        audit = AuditLog(database)
        organization = found or await repository.add_organization(session, name)
        if found is None:
            made = organization.id
            session.add(audit.row("create_organization", Outcome.DONE, AT_START, target=made, org_id=made, details={"name": name}))
        project = await repository.project(session, organization.id, None)
        return Organization.of(organization), ApiKey.of(await _ensure_key(session, audit, secret, "Development", project))

    return await _ensured(database, secret, attempt)


async def _ensured(database: Database, secret: str, attempt: Callable[[AsyncSession], Awaitable[EnsuredT]]) -> EnsuredT:
    if not is_secret(secret):
        raise ValueError("a secret must be sk-… with 16 to 197 letters, digits, - or _")
    try:
        async with database.transaction() as session:
            return await attempt(session)
    except IntegrityError:
        # Another process was faster; now everything is there.
        async with database.transaction() as session:
            return await attempt(session)


async def _ensure_key(session: AsyncSession, audit: AuditLog, secret: str, name: str, project: ProjectRow | None) -> ApiKeyRow:
    found = await session.scalar(select(ApiKeyRow).where(ApiKeyRow.secret_hash == secret_hash(secret)))
    if found is None:
        made = await repository.add_key(session, secret, name, project)
        action = "create_admin_key" if made.admin else "create_key"
        session.add(audit.row(action, Outcome.DONE, AT_START, target=made.id, org_id=made.org_id or "", details={"name": name}))
        return made
    if found.revoked_at is not None:
        raise Conflict(f"The key {found.id} was revoked; use another secret.", code="key_revoked")
    if found.org_id != (project.org_id if project else None):
        raise Conflict(f"The key {found.id} belongs to something else; use another secret.", code="key_taken")
    return found
