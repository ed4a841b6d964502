"""An inside and a directory that do as they are told: they inject the faults that a real cluster has only now and then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cluster.errors import Conflict, ModelNotFound, NotFound, PermissionDenied, Unauthenticated
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, CompletionStream, ModelCard
from cluster.inference.usage import Usage

ACME = Principal(org_id="org_acme", project_id="proj_acme", key_id="key_acme")
ADMIN = Principal(org_id="", project_id="", key_id="key_admin", admin=True)
KEYS = {"sk-acme": ACME, "sk-admin": ADMIN}
USAGE = Usage(prompt_tokens=2000, completion_tokens=7, cached_tokens=1920, reasoning_tokens=3)
CARDS = [ModelCard("demo", 1_758_000_000, "ossature", 4096), ModelCard("acme/tuned/v1", 1_758_000_001, "org_acme")]

_HEAD = {"id": "chatcmpl-1", "created": 1_758_000_000, "model": "demo"}


def chat_chunk(content: str | None = None, *, finish_reason: str | None = None, **delta: object) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}).encode()


def usage_chunk() -> bytes:
    usage = json.loads(USAGE.to_json())
    return json.dumps({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": usage}).encode()


def chat_body(content: str | None = "Hello.", **message: object) -> bytes:
    answer = {"role": "assistant", "content": content, "refusal": None, **message}
    finish_reason = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": answer, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": json.loads(USAGE.to_json())}).encode()


def text_chunk(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**_HEAD, "id": "cmpl-1", "object": "text_completion", "choices": [choice]}).encode()


def text_body(text: str) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(
        {**_HEAD, "id": "cmpl-1", "object": "text_completion", "choices": [choice], "usage": json.loads(USAGE.to_json())}
    ).encode()


@dataclass
class FakeStream:
    """Gives ``batches``, waiting ``pause_s`` before each, then raises ``error``, hangs or ends. ``repeat`` starts over for ever."""

    batches: list[list[bytes]]
    error: Exception | None = None
    hangs: bool = False
    repeat: bool = False
    pause_s: float = 0.0
    request_id: str = "chatcmpl-1"
    route: str = "home replica-1"
    given: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncIterator[list[bytes]]:
        while True:
            for batch in self.batches:
                await asyncio.sleep(self.pause_s)
                self.given += 1
                yield batch
            if not self.repeat:
                break
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    @property
    def usage(self) -> Usage | None:
        return USAGE

    async def aclose(self) -> None:
        self.closed.set()


@dataclass
class FakeInference:
    """Answers from its fields and remembers what it was asked."""

    answer: bytes = field(default_factory=chat_body)
    answer_stream: FakeStream = field(default_factory=lambda: FakeStream([[chat_chunk("", role="assistant")], [chat_chunk("Hi")]]))
    error: Exception | None = None
    delay_s: float = 0.0
    asked: list[tuple[Principal, GenerationRequest, Call]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def models(self, principal: Principal) -> list[ModelCard]:
        return CARDS if principal == ACME else []

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        for card in self.models(principal):
            if card.id == model_id:
                return card
        raise ModelNotFound(f"The model '{model_id}' does not exist or you do not have access to it.", param="model")

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        await self._begin(principal, request, call)
        return Completion(request_id="chatcmpl-1", body=self.answer, usage=USAGE, route="home replica-1")

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> CompletionStream:
        await self._begin(principal, request, call)
        return self.answer_stream

    async def _begin(self, principal: Principal, request: GenerationRequest, call: Call) -> None:
        self.asked.append((principal, request, call))
        self.began.set()
        self.model(principal, request.model)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error


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
