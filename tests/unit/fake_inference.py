"""An inside that answers as told, for both edges: it injects faults, delays and payloads that are rare in a real cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cluster.errors import ModelNotFound, PermissionDenied
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, CompletionStream, ModelCard
from cluster.inference.usage import Usage
from cluster.relay.contract import Outlet

USAGE = Usage(prompt_tokens=2000, completion_tokens=7, cached_tokens=1920, reasoning_tokens=3)
ROUTE = "home replica-1"
REASONS = "home replica-1 wait=3"
"""The route as admins see it."""

HEAD = {"id": "chatcmpl-1", "created": 1_758_000_000, "model": "demo"}


def chat_chunk(content: str | None = None, *, finish_reason: str | None = None, **delta: object) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [choice]}).encode()


def usage_chunk() -> bytes:
    usage = json.loads(USAGE.to_json())
    return json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": usage}).encode()


def chat_body(content: str | None = "Hello.", **message: object) -> bytes:
    answer = {"role": "assistant", "content": content, "refusal": None, **message}
    finish_reason = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": answer, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": json.loads(USAGE.to_json())}).encode()


@dataclass
class FakeStream:
    """Gives ``batches``, waiting ``pause_s`` before each, then raises ``error``, hangs or ends. ``repeat`` starts over for ever.

    ``flows``: an edge that offers an outlet gets them there.
    """

    batches: list[list[bytes]]
    error: Exception | None = None
    hangs: bool = False
    repeat: bool = False
    pause_s: float = 0.0
    request_id: str = "chatcmpl-1"
    route: str = ROUTE
    flows: bool = True
    given: int = 0
    flowed: int = 0
    outlet: Outlet | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncIterator[list[bytes]]:
        while True:
            for batch in self.batches:
                await asyncio.sleep(self.pause_s)
                self.given += 1
                if self.outlet is not None and self.outlet(batch):
                    self.flowed += 1
                else:
                    yield batch
            if not self.repeat:
                break
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    def flow(self, outlet: Outlet) -> None:
        self.outlet = outlet if self.flows else None

    @property
    def usage(self) -> Usage | None:
        return USAGE

    async def aclose(self) -> None:
        self.closed.set()


@dataclass
class FakeInference:
    """Answers from its fields and remembers what it was asked. ``cards``: the models that a caller sees, of which
    those in ``tuned`` can be deleted."""

    cards: dict[Principal, list[ModelCard]]
    answer: bytes = field(default_factory=chat_body)
    answer_stream: FakeStream = field(default_factory=lambda: FakeStream([[chat_chunk("", role="assistant")], [chat_chunk("Hi")]]))
    error: Exception | None = None
    delay_s: float = 0.0
    asked: list[tuple[Principal, GenerationRequest, Call]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    tuned: set[str] = field(default_factory=set)

    def models(self, principal: Principal) -> list[ModelCard]:
        return self.cards.get(principal, [])

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        for card in self.models(principal):
            if card.id == model_id:
                return card
        raise ModelNotFound(f"The model '{model_id}' does not exist or you do not have access to it.", param="model")

    async def list_models(self, principal: Principal) -> list[ModelCard]:
        return self.models(principal)

    async def find_model(self, principal: Principal, model_id: str) -> ModelCard:
        return self.model(principal, model_id)

    async def delete_model(self, principal: Principal, model_id: str) -> None:
        card = self.model(principal, model_id)
        if model_id in self.tuned:
            self.cards[principal].remove(card)
            return
        raise PermissionDenied("Only tuned models can be deleted.", param="model", code="insufficient_permissions")

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        await self._begin(principal, request, call)
        return Completion(request_id="chatcmpl-1", body=self.answer, usage=USAGE, route=_route(call))

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> CompletionStream:
        await self._begin(principal, request, call)
        if call.explain:
            self.answer_stream.route = REASONS
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


def _route(call: Call) -> str:
    return REASONS if call.explain else ROUTE
