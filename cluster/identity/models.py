"""Organizations, projects and keys as an administrator sees them. ``to_json`` is the one shape that every edge shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.store.tables import ApiKeyRow, OrganizationRow, ProjectRow


@dataclass(frozen=True, slots=True)
class Organization:
    """``created_at``: Unix seconds, here and below."""

    id: str
    name: str
    created_at: int

    @classmethod
    def of(cls, row: OrganizationRow) -> Organization:
        return cls(row.id, row.name, row.created_at)

    def to_json(self) -> dict[str, object]:
        return {"object": "organization", "id": self.id, "name": self.name, "created_at": self.created_at}


@dataclass(frozen=True, slots=True)
class Project:
    """A part of an organization. Keys that name no project belong to its default project."""

    id: str
    organization_id: str
    name: str
    is_default: bool
    created_at: int

    @classmethod
    def of(cls, row: ProjectRow) -> Project:
        return cls(row.id, row.org_id, row.name, row.is_default, row.created_at)

    def to_json(self) -> dict[str, object]:
        return {
            "object": "organization.project",
            "id": self.id,
            "organization_id": self.organization_id,
            "name": self.name,
            "is_default": self.is_default,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: never its secret, nor its hash. Admin keys have neither organization nor project."""

    id: str
    organization_id: str | None
    project_id: str | None
    admin: bool
    name: str
    hint: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None

    @classmethod
    def of(cls, row: ApiKeyRow) -> ApiKey:
        return cls(
            id=row.id,
            organization_id=row.org_id,
            project_id=row.project_id,
            admin=row.admin,
            name=row.name,
            hint=row.hint,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "object": "organization.admin_api_key" if self.admin else "organization.project.api_key",
            "id": self.id,
            "organization_id": self.organization_id,
            "project_id": self.project_id,
            "name": self.name,
            "redacted_value": f"sk-…{self.hint}",
            "created_at": self.created_at,
            "last_used_at": self.last_used_at,
            "revoked_at": self.revoked_at,
        }


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment when its secret is known. ``to_json`` holds the secret, as ``key``; ``repr`` does not."""

    api_key: ApiKey
    secret: str = field(repr=False)

    def to_json(self) -> dict[str, object]:
        return self.api_key.to_json() | {"key": self.secret}
