"""A load source whose replicas answer as a function of what they are asked, and fail or wait when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from cluster.engine.contract import EngineRequest, Frame
from cluster.routing.ticket import RouteTicket
from tests.unit.storage.fake_relay import FakeRelay, _Stream

Body = dict[str, Any]


def last_user(body: Body) -> str:
    """What was said last."""
    content = body["messages"][-1]["content"]
    return str(content)


def judged(body: Body) -> bool:
    """Whether a grader asks."""
    form = body.get("response_format") or {}
    return bool(form.get("json_schema", {}).get("name") == "verdict")


@dataclass
class FakeModels(FakeRelay):
    """``answer``: from the engine's request body to its text, or the exception that the replica fails with."""

    answer: Callable[[Body], str | Exception] = last_user
    gate: asyncio.Event | None = None
    """Questions wait for it."""
    waiting: int = 0
    cancelled: int = 0

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> _Gated:
        ticket.replica_id = "r1"
        self.requests.append(request)
        said = self.answer(json.loads(request.body))
        words = () if isinstance(said, Exception) else (said,)
        return _Gated(replace(self, words=words), request, self, said if isinstance(said, Exception) else None)

    @property
    def asked(self) -> list[Body]:
        return [json.loads(request.body) for request in self.requests]


class _Gated(_Stream):
    def __init__(self, relay: FakeRelay, request: EngineRequest, models: FakeModels, failure: Exception | None) -> None:
        super().__init__(relay, request)
        self._models = models
        self._failure = failure

    async def __aiter__(self) -> AsyncIterator[Frame]:
        if self._models.gate is not None:
            self._models.waiting += 1
            try:
                await self._models.gate.wait()
            except asyncio.CancelledError:
                self._models.cancelled += 1
                raise
            finally:
                self._models.waiting -= 1
        if self._failure is not None:
            raise self._failure
        async for frame in super().__aiter__():
            yield frame
