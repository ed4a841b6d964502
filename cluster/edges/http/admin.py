"""``/admin/v1``: organizations, projects, keys and the cluster's state. For admin keys only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.json_fields import MAX_BODY_BYTES, read_fields
from cluster.edges.http.query import Query
from cluster.errors import OssatureError
from cluster.identity.audit import AuditFilter, AuditPage, Outcome
from cluster.identity.principal import Principal
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import RequestLimits


class Shown(Protocol):
    def to_json(self) -> dict[str, object]: ...


class Directory(Protocol):
    """The part of :class:`~cluster.identity.directory.Directory` that this edge calls."""

    async def create_organization(self, admin: Principal, name: str) -> Shown: ...

    async def list_organizations(self, admin: Principal) -> Sequence[Shown]: ...

    async def get_organization(self, admin: Principal, org_id: str) -> Shown: ...

    async def create_project(self, admin: Principal, org_id: str, name: str) -> Shown: ...

    async def list_projects(self, admin: Principal, org_id: str) -> Sequence[Shown]: ...

    async def create_key(self, admin: Principal, org_id: str, project_id: str | None, name: str) -> Shown: ...

    async def list_keys(self, admin: Principal, org_id: str) -> Sequence[Shown]: ...

    async def create_admin_key(self, admin: Principal, name: str) -> Shown: ...

    async def list_admin_keys(self, admin: Principal) -> Sequence[Shown]: ...

    async def revoke_key(self, admin: Principal, key_id: str) -> Shown: ...


class Audit(Protocol):
    """The part of :class:`~cluster.identity.audit.AuditLog` that this edge calls."""

    async def refused(self, actor: str, action: str, error: OssatureError) -> None: ...

    async def list_events(self, admin: Principal, wanted: AuditFilter, *, after: str | None, limit: int) -> AuditPage: ...


class NewOrganization(Strict):
    name: str


class NewProject(Strict):
    name: str


class NewApiKey(Strict):
    """Without ``project_id`` the key is one of the organization's default project."""

    name: str
    project_id: str | None = None


class NewAdminKey(Strict):
    name: str


MAX_AUDIT_EVENTS = 100
"""Of one page; a fifth of that when the caller doesn't say."""

_Body = TypeVar("_Body", bound=Strict)


class Admin:
    def __init__(
        self, directory: Directory, status: Callable[[Principal], Awaitable[dict[str, Any]]], settings: HttpSettings
    ) -> None:
        self._directory = directory
        self._status = status
        self._settings = settings
        self._limits = RequestLimits(max_json_depth=settings.max_json_depth)

    async def create_organization(self, exchange: Exchange) -> None:
        body = await self._read(exchange, NewOrganization)
        await _show(exchange, await self._directory.create_organization(exchange.caller, body.name))

    async def list_organizations(self, exchange: Exchange) -> None:
        await _show_all(exchange, await self._directory.list_organizations(exchange.caller))

    async def get_organization(self, exchange: Exchange, org_id: str) -> None:
        await _show(exchange, await self._directory.get_organization(exchange.caller, org_id))

    async def create_project(self, exchange: Exchange, org_id: str) -> None:
        body = await self._read(exchange, NewProject)
        await _show(exchange, await self._directory.create_project(exchange.caller, org_id, body.name))

    async def list_projects(self, exchange: Exchange, org_id: str) -> None:
        await _show_all(exchange, await self._directory.list_projects(exchange.caller, org_id))

    async def create_key(self, exchange: Exchange, org_id: str) -> None:
        body = await self._read(exchange, NewApiKey)
        await _show(exchange, await self._directory.create_key(exchange.caller, org_id, body.project_id, body.name))

    async def list_keys(self, exchange: Exchange, org_id: str) -> None:
        await _show_all(exchange, await self._directory.list_keys(exchange.caller, org_id))

    async def create_admin_key(self, exchange: Exchange) -> None:
        body = await self._read(exchange, NewAdminKey)
        await _show(exchange, await self._directory.create_admin_key(exchange.caller, body.name))

    async def list_admin_keys(self, exchange: Exchange) -> None:
        await _show_all(exchange, await self._directory.list_admin_keys(exchange.caller))

    async def revoke_key(self, exchange: Exchange, key_id: str) -> None:
        await _show(exchange, await self._directory.revoke_key(exchange.caller, key_id))

    async def status(self, exchange: Exchange) -> None:
        await exchange.respond_object(await self._status(exchange.caller))

    async def _read(self, exchange: Exchange, kind: type[_Body]) -> _Body:
        limit_bytes = min(MAX_BODY_BYTES, self._settings.max_body_bytes)
        return await read_fields(
            exchange, kind, limit_bytes=limit_bytes, timeout_s=self._settings.body_timeout_s, limits=self._limits
        )


class AuditEndpoints:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def list_audit_events(self, exchange: Exchange) -> None:
        query = Query(exchange)
        wanted = AuditFilter(
            action=query.text("action"),
            outcome=query.choice("outcome", [outcome.value for outcome in Outcome]),
            actor=query.text("actor"),
            organization_id=query.text("organization_id"),
        )
        after, limit = query.text("after"), query.number("limit", 1, MAX_AUDIT_EVENTS)
        query.end()
        page = await self._audit.list_events(exchange.caller, wanted, after=after, limit=limit or MAX_AUDIT_EVENTS // 5)
        await _show_all(exchange, page.events, has_more=page.has_more)


async def _show(exchange: Exchange, thing: Shown) -> None:
    await exchange.respond_object(thing.to_json())


async def _show_all(exchange: Exchange, things: Sequence[Shown], *, has_more: bool = False) -> None:
    data = [thing.to_json() for thing in things]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    await exchange.respond_object({"object": "list", "data": data, **ends, "has_more": has_more})
