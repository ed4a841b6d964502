"""Short ways to ask an engine."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from cluster.engine.contract import Engine, EngineRequest, EngineTiming, EngineUsage, Fault, Frame, Operation

_numbers = itertools.count(1)


def make_request(
    body: dict[str, Any],
    *,
    model: str,
    stream: bool = False,
    salt: str = "salt",
    deadline_unix_s: float | None = None,
    priority: int = 0,
) -> EngineRequest:
    """A chat request, or a text completion where the body has a prompt. Greedy unless the body says otherwise."""
    operation = Operation.COMPLETION if "prompt" in body else Operation.CHAT
    prefix = "cmpl" if operation is Operation.COMPLETION else "chatcmpl"
    return EngineRequest(
        request_id=f"{prefix}-test-{next(_numbers)}",
        operation=operation,
        body=msgspec.json.encode({"model": model, "temperature": 0.0} | body),
        stream=stream,
        cache_salt=salt,
        org_tag="org",
        priority=priority,
        deadline_unix_s=deadline_unix_s,
    )


@dataclass(frozen=True)
class Answer:
    """All that came for one request, payloads parsed."""

    request_id: str
    frames: list[Frame]

    @property
    def payloads(self) -> list[Any]:
        return [json.loads(payload) for frame in self.frames for payload in frame.payloads]

    @property
    def usage(self) -> EngineUsage:
        usage = self.frames[-1].usage
        assert usage is not None, self.fault
        return usage

    @property
    def timing(self) -> EngineTiming:
        timing = self.frames[-1].timing
        assert timing is not None
        return timing

    @property
    def fault(self) -> Fault | None:
        return self.frames[-1].fault

    def choice(self, index: int = 0) -> Any:
        (body,) = self.payloads
        return body["choices"][index]

    def text(self, index: int = 0) -> str:
        """Reasoning and content of a choice in one string, streamed or not."""
        pieces = []
        for body in self.payloads:
            for choice in body["choices"]:
                if choice["index"] == index:
                    part = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
                    pieces.append((part.get("reasoning") or "", part.get("content") or ""))
        return "".join(reasoning for reasoning, _ in pieces) + "".join(content for _, content in pieces)


async def ask(engine: Engine, request: EngineRequest) -> Answer:
    return Answer(request.request_id, [frame async for frame in engine.generate(request)])
