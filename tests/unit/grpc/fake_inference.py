"""An inside that answers as told: it injects faults, delays and payloads that a real cluster gives only now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from cluster.errors import ModelNotFound
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.service import Call, Completion, CompletionStream, ModelCard
from cluster.inference.usage import Usage

ACME = Principal(org_id="org-acme", project_id="proj-acme", key_id="key-acme")
OTHER = Principal(org_id="org-other", project_id="proj-other", key_id="key-other")
USAGE = Usage(prompt_tokens=2000, completion_tokens=7, cached_tokens=1920, reasoning_tokens=3)
PUBLIC_MODEL = ModelCard(id="demo", created=1_758_000_000, owned_by="ossature", max_model_len=4096)
PRIVATE_MODEL = ModelCard(id="acme-private", created=1_758_000_001, owned_by="org-acme")


def chunk(content: str | None = None, *, finish_reason: str | None = None, **delta: object) -> bytes:
    """A chunk of the answer as engines write it."""
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return msgspec.json.encode(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_758_000_000, "model": "demo", "choices": [choice]}
    )


def usage_chunk() -> bytes:
    return msgspec.json.encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_758_000_000,
            "model": "demo",
            "choices": [],
            "usage": msgspec.Raw(USAGE.to_json()),
        }
    )


def body(content: str = "Hello.") -> bytes:
    """A whole answer as engines write it."""
    message = {"role": "assistant", "content": content, "reasoning": "Greet back.", "refusal": None, "tool_calls": []}
    return msgspec.json.encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_758_000_000,
            "model": "demo",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": msgspec.Raw(USAGE.to_json()),
        }
    )


@dataclass
class FakeStream:
    """Gives ``batches``, then raises ``error`` if there is one, or hangs if told so."""

    batches: list[list[bytes]]
    error: Exception | None = None
    hangs: bool = False
    request_id: str = "chatcmpl-1"
    route: str = "fake"
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self._batches()

    async def _batches(self) -> AsyncIterator[list[bytes]]:
        for batch in self.batches:
            yield batch
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
    """Records what it is asked; answers from its fields."""

    answer: bytes = field(default_factory=body)
    answer_stream: FakeStream = field(default_factory=lambda: FakeStream([[chunk("", role="assistant")], [chunk("Hi")]]))
    error: Exception | None = None
    delay_s: float = 0.0
    asked: list[tuple[Principal, GenerationRequest, Call]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def models(self, principal: Principal) -> list[ModelCard]:
        return [PUBLIC_MODEL, PRIVATE_MODEL] if principal == ACME else [PUBLIC_MODEL]

    def model(self, principal: Principal, model_id: str) -> ModelCard:
        for card in self.models(principal):
            if card.id == model_id:
                return card
        raise ModelNotFound(f"The model '{model_id}' does not exist or you do not have access to it.", param="model")

    async def complete(self, principal: Principal, request: GenerationRequest, call: Call) -> Completion:
        await self._begin(principal, request, call)
        return Completion(request_id="chatcmpl-1", body=self.answer, usage=USAGE, route="fake")

    async def stream(self, principal: Principal, request: GenerationRequest, call: Call) -> CompletionStream:
        await self._begin(principal, request, call)
        return self.answer_stream

    async def _begin(self, principal: Principal, request: GenerationRequest, call: Call) -> None:
        self.asked.append((principal, request, call))
        self.begun.set()
        self.model(principal, request.model)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error
