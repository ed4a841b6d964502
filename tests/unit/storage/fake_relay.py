"""A load source: a relay whose replica gives the same answer to every request, for as long as tests want."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cluster.engine.contract import EngineRequest, EngineUsage, Frame
from cluster.identity.principal import Principal
from cluster.inference.plan import Plan
from cluster.inference.requests import GenerationRequest
from cluster.relay.contract import Outlet
from cluster.routing.ticket import RouteTicket

USAGE = EngineUsage(prompt_tokens=2000, completion_tokens=4, cached_tokens=1300)
WORDS = ("Hello", " there", ".")


@dataclass
class FakeRelay:
    """``message``: beside the words, what an answer has; ``pause_s`` before each frame; ``flows``: pieces go to outlets."""

    words: tuple[str, ...] = WORDS
    message: dict[str, object] = field(default_factory=dict)
    finish_reason: str = "stop"
    choices: int = 1
    pause_s: float = 0.0
    flows: bool = False
    breaks: Exception | None = None
    requests: list[EngineRequest] = field(default_factory=list)

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> _Stream:
        ticket.replica_id = "r1"
        self.requests.append(request)
        return _Stream(self, request)


class _Stream:
    def __init__(self, relay: FakeRelay, request: EngineRequest) -> None:
        self._relay = relay
        self._request = request
        self._outlet: Outlet | None = None

    async def __aiter__(self) -> AsyncIterator[Frame]:
        relay = self._relay
        if not self._request.stream:
            await asyncio.sleep(relay.pause_s)
            yield Frame(payloads=[self._whole()], usage=USAGE)
            return
        payloads = [self._chunk({"role": "assistant", "content": ""})]
        payloads += [self._chunk({"content": word}) for word in relay.words]
        if relay.message:
            payloads.append(self._chunk(relay.message))
        payloads.append(self._chunk({}, finish_reason=relay.finish_reason))
        for payload in payloads:
            await asyncio.sleep(relay.pause_s)
            if relay.flows and self._outlet is not None and self._outlet([payload]):
                continue
            yield Frame(payloads=[payload])
            if relay.breaks is not None:
                raise relay.breaks
        yield Frame(usage=USAGE)

    def flow(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def cancel(self) -> None:
        """There is nothing to stop."""

    def _head(self) -> dict[str, object]:
        return {"id": self._request.request_id, "created": 1_758_000_000, "model": "demo"}

    def _chunk(self, delta: dict[str, object], finish_reason: str | None = None) -> bytes:
        choices = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            for index in range(self._relay.choices)
        ]
        return json.dumps({**self._head(), "object": "chat.completion.chunk", "choices": choices}).encode()

    def _whole(self) -> bytes:
        message = {"role": "assistant", "content": "".join(self._relay.words) or None, "refusal": None, **self._relay.message}
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": self._relay.finish_reason}
            for index in range(self._relay.choices)
        ]
        return json.dumps({**self._head(), "object": "chat.completion", "choices": choices}).encode()


class OnePlan:
    """Plans every request alike."""

    async def plan(self, principal: Principal, request: GenerationRequest, *, base_model: str | None = None) -> Plan:
        return Plan("salt", "tag", b"anchor", (b"anchor",), 10)
