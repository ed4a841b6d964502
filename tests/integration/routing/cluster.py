"""A small Ray Serve cluster: an engine that only says which replica it is, and gateways that call it with tickets.

Calls stream, as the relay's do: only then does Ray Serve report at once that a replica has accepted a request.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.routing.ticket import Affinity, RouteTicket

APP = "routing"
ENGINE = "engine"
REPLICAS = 3
MAX_ONGOING = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the replica saw: its own id and process, and the ticket as it arrived."""

    replica_id: str
    pid: int
    ticket: RouteTicket | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gateway read from its ticket afterwards (a ticket that is pickled keeps none of it), and what the replica saw."""

    replica_id: str | None
    rank: int | None
    affinity: Affinity
    home_order: tuple[str, ...]
    decision_s: float
    arrival: Arrival

    @classmethod
    def of(cls, ticket: RouteTicket, arrival: Arrival) -> Outcome:
        return cls(ticket.replica_id, ticket.rank, ticket.affinity, ticket.home_order, ticket.decision_s, arrival)


class Engine:
    async def stream(self, hold_s: float, ticket: RouteTicket | None = None) -> AsyncIterator[Arrival | None]:
        yield Arrival(serve.get_replica_context().replica_id.unique_id, os.getpid(), ticket)
        await asyncio.sleep(hold_s)
        yield None


@ray.remote(num_cpus=0)
class Gateway:
    """One gateway process: a handle, hence a router, of its own."""

    def __init__(self) -> None:
        handle: DeploymentHandle = serve.get_deployment_handle(ENGINE, APP)
        self._stream = handle.options(stream=True).stream
        self._held: list[Any] = []

    async def send(
        self, anchor: bytes = b"", hold_s: float = 0.0, excluded: frozenset[str] = frozenset(), chain: tuple[bytes, ...] = ()
    ) -> Outcome:
        """One request, to its end."""
        ticket = RouteTicket(anchor=anchor, excluded=excluded, chain=chain)
        outcome = await self._open(ticket, hold_s)
        await self.finish()
        return outcome

    async def send_without_ticket(self) -> Arrival:
        chunks = self._stream.remote(0.0)
        arrival: Arrival = await anext(chunks)
        async for _ in chunks:
            pass
        return arrival

    async def send_all(self, anchors: list[bytes], hold_s: float) -> list[Outcome]:
        """A request for each anchor, all at once."""
        return await asyncio.gather(*(self._to_end(RouteTicket(anchor=anchor), hold_s) for anchor in anchors))

    async def open(self, anchors: list[bytes], hold_s: float) -> list[Outcome]:
        """A stream for each anchor, one after the other. They stay open for ``hold_s`` or until :meth:`cancel`."""
        return [await self._open(RouteTicket(anchor=anchor), hold_s) for anchor in anchors]

    async def finish(self) -> None:
        """Read all open streams to their end."""
        held, self._held = self._held, []
        for chunks in held:
            async for _ in chunks:
                pass

    async def cancel(self) -> None:
        """Give up all open streams."""
        held, self._held = self._held, []
        for chunks in held:
            chunks.cancel()

    async def _open(self, ticket: RouteTicket, hold_s: float) -> Outcome:
        chunks = self._stream.remote(hold_s, ticket=ticket)
        arrival = await anext(chunks)
        self._held.append(chunks)
        return Outcome.of(ticket, arrival)

    async def _to_end(self, ticket: RouteTicket, hold_s: float) -> Outcome:
        chunks = self._stream.remote(hold_s, ticket=ticket)
        arrival = await anext(chunks)
        async for _ in chunks:
            pass
        return Outcome.of(ticket, arrival)


def wait_until_idle(gateway: Any, timeout_s: float = 60.0) -> None:
    """Return when all requests in a row meet their home: the ends of earlier ones have been reported, and none is running."""
    anchors = [bytes([number]) * 16 for number in range(24)]
    deadline_s = time.monotonic() + timeout_s
    while any(ray.get(gateway.send.remote(anchor)).rank != 0 for anchor in anchors):
        assert time.monotonic() < deadline_s, "requests that have ended still count as load"
        time.sleep(0.1)
