"""The first keys of a cluster, for whoever may open its database: no principal exists yet that could ask for them.

Idempotent, so that a cluster can do it at every start and several processes can do it at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import Conflict
from cluster.identity import repository
from cluster.identity.models import ApiKey, NewKey, Organization
from cluster.identity.names import clean_name
from cluster.identity.secrets import is_secret, new_secret, secret_hash
from cluster.store.database import Database
from cluster.store.tables import ApiKeyRow, OrganizationRow, ProjectRow


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    organization: Organization
    key: ApiKey
    admin_key: ApiKey


async def ensure(database: Database, name: str, *, key_secret: str, admin_secret: str) -> Bootstrapped:
    """See to it that an organization, a key of its default project and an admin key exist, with these secrets.

    Raises :class:`Conflict` when one of the secrets belongs to something else or was revoked, ``ValueError`` when one does not
    look like a key (:func:`cluster.identity.secrets.new_secret` makes them).
    """
    name = clean_name(name)
    if not (is_secret(key_secret) and is_secret(admin_secret)):
        raise ValueError("a secret must be sk-… with 16 to 197 letters, digits, - or _")
    try:
        return await _ensure(database, name, key_secret, admin_secret)
    except IntegrityError:
        # Another process was faster; now everything is there.
        return await _ensure(database, name, key_secret, admin_secret)


async def create_admin_key(database: Database, name: str) -> NewKey:
    """A new admin key, for an operator who has the database but no admin key (any more)."""
    name = clean_name(name)
    secret = new_secret(admin=True)
    async with database.transaction() as session:
        return NewKey(ApiKey.of(await repository.add_key(session, secret, name, None)), secret)


async def _ensure(database: Database, name: str, key_secret: str, admin_secret: str) -> Bootstrapped:
    async with database.transaction() as session:
        found = await session.scalar(select(OrganizationRow).where(OrganizationRow.name == name))
        organization = found or await repository.add_organization(session, name)
        project = await repository.project(session, organization.id, None)
        key = await _ensure_key(session, key_secret, "Development", project)
        admin_key = await _ensure_key(session, admin_secret, "Administration", None)
        return Bootstrapped(Organization.of(organization), ApiKey.of(key), ApiKey.of(admin_key))


async def _ensure_key(session: AsyncSession, secret: str, name: str, project: ProjectRow | None) -> ApiKeyRow:
    found = await session.scalar(select(ApiKeyRow).where(ApiKeyRow.secret_hash == secret_hash(secret)))
    if found is None:
        return await repository.add_key(session, secret, name, project)
    if found.revoked_at is not None:
        raise Conflict(f"The key {found.id} was revoked; use another secret.", code="key_revoked")
    if found.org_id != (project.org_id if project else None):
        raise Conflict(f"The key {found.id} belongs to something else; use another secret.", code="key_taken")
    return found
