"""Administration of organizations, projects and keys. Every call needs an admin principal."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cluster.errors import Conflict, NotFound, PermissionDenied
from cluster.identity import repository
from cluster.identity.audit import AuditLog
from cluster.identity.models import ApiKey, NewKey, Organization, Project
from cluster.identity.names import clean_name
from cluster.identity.principal import Principal
from cluster.identity.secrets import is_id, new_secret
from cluster.store.database import Database
from cluster.store.tables import ApiKeyRow, OrganizationRow, ProjectRow


class Directory:
    """Methods raise :class:`PermissionDenied` for a principal that is no admin, :class:`StoreUnavailable` without a database.

    What changes something is written to the audit log, and so are attempts at it.
    """

    def __init__(self, database: Database, audit: AuditLog | None = None) -> None:
        self._database = database
        self._audit = audit or AuditLog(database)

    async def create_organization(self, admin: Principal, name: str) -> Organization:
        """Create an organization with a default project. Raises :class:`Conflict` when the name is taken."""
        async with self._audit.attempt(admin, "create_organization", details={"name": name}) as attempt:
            _require(admin)
            name = clean_name(name)
            try:
                async with self._database.transaction() as session:
                    made = Organization.of(await repository.add_organization(session, name))
                    attempt.done(session, target=made.id, org_id=made.id)
                    return made
            except IntegrityError:
                raise Conflict("An organization of this name exists already.", param="name", code="name_taken") from None

    async def list_organizations(self, admin: Principal) -> list[Organization]:
        """All organizations, oldest first."""
        _require(admin)
        async with self._database.session() as session:
            rows = await session.scalars(select(OrganizationRow).order_by(OrganizationRow.created_at, OrganizationRow.id))
            return [Organization.of(row) for row in rows]

    async def get_organization(self, admin: Principal, org_id: str) -> Organization:
        """Raises :class:`NotFound`."""
        _require(admin)
        async with self._database.session() as session:
            return Organization.of(await repository.organization(session, org_id))

    async def create_project(self, admin: Principal, org_id: str, name: str) -> Project:
        """Raises :class:`NotFound` (``org_id``), :class:`Conflict` when the organization has a project of this name."""
        async with self._audit.attempt(admin, "create_project", org_id=org_id, details={"name": name}) as attempt:
            _require(admin)
            name = clean_name(name)
            try:
                async with self._database.transaction() as session:
                    await repository.organization(session, org_id)
                    made = Project.of(await repository.add_project(session, org_id, name))
                    attempt.done(session, target=made.id, org_id=org_id)
                    return made
            except IntegrityError:
                raise Conflict("The organization has a project of this name already.", param="name", code="name_taken") from None

    async def list_projects(self, admin: Principal, org_id: str) -> list[Project]:
        """The projects of an organization, oldest first. Raises :class:`NotFound`."""
        _require(admin)
        async with self._database.session() as session:
            await repository.organization(session, org_id)
            query = select(ProjectRow).where(ProjectRow.org_id == org_id).order_by(ProjectRow.created_at, ProjectRow.id)
            return [Project.of(row) for row in await session.scalars(query)]

    async def create_key(self, admin: Principal, org_id: str, project_id: str | None, name: str) -> NewKey:
        """A key of one project, of the default project for ``None``. Raises :class:`NotFound` (``org_id``, ``project_id``)."""
        details = {"name": name} | ({"project_id": project_id} if project_id is not None else {})
        async with self._audit.attempt(admin, "create_key", org_id=org_id, details=details) as attempt:
            _require(admin)
            name = clean_name(name)
            secret = new_secret()
            async with self._database.transaction() as session:
                project = await repository.project(session, org_id, project_id)
                made = ApiKey.of(await repository.add_key(session, secret, name, project))
                attempt.done(session, target=made.id, org_id=org_id)
            return NewKey(made, secret)

    async def list_keys(self, admin: Principal, org_id: str) -> list[ApiKey]:
        """The keys of an organization, revoked ones too, oldest first. Raises :class:`NotFound`."""
        _require(admin)
        async with self._database.session() as session:
            await repository.organization(session, org_id)
            query = select(ApiKeyRow).where(ApiKeyRow.org_id == org_id).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
            return [ApiKey.of(row) for row in await session.scalars(query)]

    async def create_admin_key(self, admin: Principal, name: str) -> NewKey:
        """Another key for administration."""
        async with self._audit.attempt(admin, "create_admin_key", details={"name": name}) as attempt:
            _require(admin)
            name = clean_name(name)
            secret = new_secret(admin=True)
            async with self._database.transaction() as session:
                made = ApiKey.of(await repository.add_key(session, secret, name, None))
                attempt.done(session, target=made.id, org_id=None)
            return NewKey(made, secret)

    async def list_admin_keys(self, admin: Principal) -> list[ApiKey]:
        """All admin keys, revoked ones too, oldest first."""
        _require(admin)
        async with self._database.session() as session:
            query = select(ApiKeyRow).where(ApiKeyRow.admin).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
            return [ApiKey.of(row) for row in await session.scalars(query)]

    async def revoke_key(self, admin: Principal, key_id: str) -> ApiKey:
        """End a key for good; every gateway refuses it within a second. Idempotent. Raises :class:`NotFound` (``key_id``)."""
        async with self._audit.attempt(admin, "revoke_key", target=key_id) as attempt:
            _require(admin)
            async with self._database.transaction() as session:
                # Locked, so that of two revocations at once the first one's time stays.
                row = await session.get(ApiKeyRow, key_id, with_for_update=True) if is_id("key", key_id) else None
                if row is None:
                    raise NotFound("There is no such key.", param="key_id")
                if row.revoked_at is None:
                    row.revoked_at = repository.unix_now()
                    row.revision = await repository.raise_revision(session)
                attempt.done(session, target=row.id, org_id=row.org_id)
                return ApiKey.of(row)


def _require(admin: Principal) -> None:
    if not admin.admin:
        raise PermissionDenied("Only an admin key may do this.")
