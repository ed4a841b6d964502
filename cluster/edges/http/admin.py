"""``/admin/v1``: organizations, projects, keys and the cluster's state. For admin keys only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from cluster.config.schema import HttpSettings
from cluster.edges.http.exchange import Exchange
from cluster.identity.principal import Principal
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import RequestLimits

_MAX_BODY_BYTES = 64 << 10


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
        limit_bytes = min(_MAX_BODY_BYTES, self._settings.max_body_bytes)
        data = json_body.decode_object(await exchange.read_json(limit_bytes, self._settings.body_timeout_s), self._limits)
        if unknown := [name for name in data if name not in kind.model_fields]:
            raise problems.unrecognized(unknown)
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            raise problems.from_pydantic(error) from None


async def _show(exchange: Exchange, thing: Shown) -> None:
    await exchange.respond_object(thing.to_json())


async def _show_all(exchange: Exchange, things: Sequence[Shown]) -> None:
    data = [thing.to_json() for thing in things]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    await exchange.respond_object({"object": "list", "data": data, **ends, "has_more": False})
