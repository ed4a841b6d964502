"""A relay that fails on purpose: each opened stream follows a script of frames and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from cluster.engine.contract import EngineRequest, Frame
from cluster.relay.contract import Outlet
from cluster.routing.ticket import RouteTicket

#: A frame, an exception to raise, or a number of seconds to hang.
Step = Frame | Exception | float


class FakeStream:
    def __init__(self, script: list[Step]) -> None:
        self._script = script
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Frame]:
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step

    def flow(self, outlet: Outlet) -> None:
        """Its frames are pulled."""

    async def cancel(self) -> None:
        self.cancelled = True


class FakeRelay:
    """The first stream follows the first script, and so on. The router's part is played by ``replicas``: one id a stream."""

    def __init__(self, *scripts: list[Step], replicas: tuple[str, ...] = ("r1", "r2", "r3")) -> None:
        self._scripts = list(scripts)
        self._replicas = replicas
        self.streams: list[FakeStream] = []
        self.tickets: list[RouteTicket] = []
        self.requests: list[EngineRequest] = []

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> FakeStream:
        number = len(self.streams)
        ticket.replica_id = self._replicas[number]
        stream = FakeStream(self._scripts[number])
        self.streams.append(stream)
        self.tickets.append(ticket)
        self.requests.append(request)
        return stream
