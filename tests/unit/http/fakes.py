"""An inside and a directory that do as they are told: they inject the faults that a real cluster has only now and then."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cluster.errors import Conflict, NotFound, PermissionDenied, Unauthenticated
from cluster.identity.principal import Principal
from cluster.inference.service import ModelCard
from tests.unit.fake_inference import HEAD, USAGE

ACME = Principal(org_id="org_acme", project_id="proj_acme", key_id="key_acme")
ADMIN = Principal(org_id="", project_id="", key_id="key_admin", admin=True)
GLOBEX = Principal(org_id="org_globex", project_id="proj_globex", key_id="key_globex")
KEYS = {"sk-acme": ACME, "sk-globex": GLOBEX, "sk-admin": ADMIN}
CARDS = [ModelCard("demo", 1_758_000_000, "ossature", 4096), ModelCard("acme/tuned/v1", 1_758_000_001, "org_acme")]


def text_chunk(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**HEAD, "id": "cmpl-1", "object": "text_completion", "choices": [choice]}).encode()


def text_body(text: str) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(
        {**HEAD, "id": "cmpl-1", "object": "text_completion", "choices": [choice], "usage": json.loads(USAGE.to_json())}
    ).encode()


@dataclass
class FakeAuthenticator:
    """Knows ``KEYS``. ``error`` is raised instead, if set."""

    error: Exception | None = None

    async def __call__(self, secret: str | None, organization: str | None, project: str | None) -> Principal:
        if self.error is not None:
            raise self.error
        if secret not in KEYS:
            raise Unauthenticated("Incorrect API key provided.")
        principal = KEYS[secret]
        if organization not in (None, principal.org_id):
            raise PermissionDenied("The API key does not belong to this organization.", code="mismatched_organization")
        return principal


@dataclass(frozen=True)
class Thing:
    fields: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return self.fields


class FakeDirectory:
    """Organizations, projects and keys in lists."""

    def __init__(self) -> None:
        self.organizations: list[Thing] = []
        self.projects: list[Thing] = []
        self.keys: list[Thing] = []

    async def create_organization(self, admin: Principal, name: str) -> Thing:
        if any(thing.fields["name"] == name for thing in self.organizations):
            raise Conflict("An organization of this name exists already.", param="name", code="name_taken")
        return _added(self.organizations, object="organization", id=f"org_{len(self.organizations)}", name=name)

    async def list_organizations(self, admin: Principal) -> list[Thing]:
        return self.organizations

    async def get_organization(self, admin: Principal, org_id: str) -> Thing:
        for thing in self.organizations:
            if thing.fields["id"] == org_id:
                return thing
        raise NotFound("There is no such organization.", param="org_id")

    async def create_project(self, admin: Principal, org_id: str, name: str) -> Thing:
        await self.get_organization(admin, org_id)
        return _added(self.projects, object="organization.project", id=f"proj_{len(self.projects)}", org=org_id, name=name)

    async def list_projects(self, admin: Principal, org_id: str) -> list[Thing]:
        return [thing for thing in self.projects if thing.fields["org"] == org_id]

    async def create_key(self, admin: Principal, org_id: str, project_id: str | None, name: str) -> Thing:
        await self.get_organization(admin, org_id)
        key = _added(self.keys, id=f"key_{len(self.keys)}", org=org_id, project_id=project_id, name=name, revoked=False)
        return Thing({**key.fields, "key": "sk-new"})

    async def list_keys(self, admin: Principal, org_id: str) -> list[Thing]:
        return [thing for thing in self.keys if thing.fields["org"] == org_id]

    async def create_admin_key(self, admin: Principal, name: str) -> Thing:
        key = _added(self.keys, id=f"key_{len(self.keys)}", org=None, project_id=None, name=name, revoked=False)
        return Thing({**key.fields, "key": "sk-admin-new"})

    async def list_admin_keys(self, admin: Principal) -> list[Thing]:
        return [thing for thing in self.keys if thing.fields["org"] is None]

    async def revoke_key(self, admin: Principal, key_id: str) -> Thing:
        for thing in self.keys:
            if thing.fields["id"] == key_id:
                thing.fields["revoked"] = True
                return thing
        raise NotFound("There is no such key.", param="key_id")


def _added(things: list[Thing], **fields: object) -> Thing:
    thing = Thing(fields)
    things.append(thing)
    return thing
