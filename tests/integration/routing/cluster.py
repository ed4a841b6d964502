"""A small Ray Serve cluster: an engine that only says which replica it is, and gateways that call it with tickets.

Every prompt is long, and the engine holds whatever it is believed to hold. It reports to gateways as a real replica does.

Calls stream, as the relay's do: only then does Ray Serve report at once that a replica has accepted a request.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from itertools import count
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.relay import call_router
from cluster.routing.pending import PendingPrompts
from cluster.routing.ticket import Affinity, Answer, ArrivedTicket, RouteTicket

APP = "routing"
ENGINE = "engine"
REPLICAS = 3
MAX_ONGOING = 4
PROMPT_TOKENS = 4000
REPORT_PERIOD_S = 0.25


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the replica saw: its own id and process, and the ticket as it arrived."""

    replica_id: str
    pid: int
    ticket: ArrivedTicket | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gateway read from its ticket afterwards (a ticket that is pickled keeps none of it), and what the replica saw.

    ``load``: requests that it knew of there when it chose.
    """

    replica_id: str | None
    rank: int | None
    affinity: Affinity
    home_order: tuple[str, ...]
    decision_s: float
    load: float | None
    arrival: Arrival

    @classmethod
    def of(cls, ticket: RouteTicket, arrival: Arrival) -> Outcome:
        load = ticket.estimate.load if ticket.estimate is not None else None
        return cls(ticket.replica_id, ticket.rank, ticket.affinity, ticket.home_order, ticket.decision_s, load, arrival)


class Engine:
    def __init__(self) -> None:
        self._expected = PendingPrompts()
        self._numbers = count()

    def record_routing_stats(self) -> dict[str, Any]:
        return self._expected.stats(time.monotonic())

    async def stream(self, hold_s: float, ticket: ArrivedTicket | None = None) -> AsyncIterator[Arrival | None]:
        request_id = str(next(self._numbers))
        self._expected.arrived(request_id, ticket, time.monotonic())
        try:
            yield Arrival(serve.get_replica_context().replica_id.unique_id, os.getpid(), ticket)
            self._expected.computed(request_id, time.monotonic())
            await asyncio.sleep(hold_s)
            yield None
        finally:
            self._expected.ended(request_id, time.monotonic())


@ray.remote(num_cpus=0)
class Gateway:
    """One gateway process: a handle, hence a router, of its own."""

    def __init__(self) -> None:
        handle: DeploymentHandle = serve.get_deployment_handle(ENGINE, APP)
        self._stream = handle.options(stream=True).stream
        self._held: list[tuple[RouteTicket, Any]] = []

    async def send(self, anchor: bytes = b"", hold_s: float = 0.0, excluded: frozenset[str] = frozenset()) -> Outcome:
        """One request, to its end."""
        outcome = await self._open(_ticket(anchor, excluded), hold_s)
        await self.finish()
        return outcome

    async def order(self, anchor: bytes) -> list[str]:
        """Where it would send a request now: replicas with room, best first."""
        return list(call_router.PROCESS_ROUTERS[ENGINE].order(_ticket(anchor)))

    async def send_without_ticket(self) -> Arrival:
        chunks = self._stream.remote(0.0)
        arrival: Arrival = await anext(chunks)
        async for _ in chunks:
            pass
        return arrival

    async def send_all(self, anchors: list[bytes], hold_s: float) -> list[Outcome]:
        """A request for each anchor, all at once."""
        return await asyncio.gather(*(self._to_end(_ticket(anchor), hold_s) for anchor in anchors))

    async def open(self, anchors: list[bytes], hold_s: float) -> list[Outcome]:
        """A stream for each anchor, one after the other. They stay open for ``hold_s`` or until :meth:`cancel`."""
        return [await self._open(_ticket(anchor), hold_s) for anchor in anchors]

    async def finish(self) -> None:
        """Read all open streams to their end."""
        held, self._held = self._held, []
        for ticket, chunks in held:
            await _read(ticket, chunks)

    async def cancel(self) -> None:
        """Give up all open streams."""
        held, self._held = self._held, []
        for ticket, chunks in held:
            chunks.cancel()
            ticket.finished(None)

    async def _open(self, ticket: RouteTicket, hold_s: float) -> Outcome:
        chunks = self._stream.remote(hold_s, ticket=ticket)
        arrival = await anext(chunks)
        ticket.first_token()
        self._held.append((ticket, chunks))
        return Outcome.of(ticket, arrival)

    async def _to_end(self, ticket: RouteTicket, hold_s: float) -> Outcome:
        chunks = self._stream.remote(hold_s, ticket=ticket)
        arrival = await anext(chunks)
        ticket.first_token()
        await _read(ticket, chunks)
        return Outcome.of(ticket, arrival)


def _ticket(anchor: bytes, excluded: frozenset[str] = frozenset()) -> RouteTicket:
    """Of a prompt with blocks of its own up to the one that is its anchor."""
    chain = (*[anchor[:12] + number.to_bytes(4, "big") for number in range(31)], anchor) if anchor else ()
    return RouteTicket(anchor=anchor, chain=chain, prompt_bytes=4 * PROMPT_TOKENS, excluded=excluded)


async def _read(ticket: RouteTicket, chunks: Any) -> None:
    async for _ in chunks:
        pass
    cached_tokens = ticket.estimate.cached_tokens if ticket.estimate is not None else 0
    ticket.finished(Answer(PROMPT_TOKENS, cached_tokens))


def wait_until_idle(gateway: Any, timeout_s: float = 60.0) -> None:
    """Return when no replica has a request, for all that the gateway knows."""
    deadline_s = time.monotonic() + timeout_s
    anchors = [bytes([number]) * 16 for number in range(24)]
    while any(ray.get(gateway.send.remote(anchor)).load for anchor in anchors):
        assert time.monotonic() < deadline_s, "requests that have ended still count as load"
        time.sleep(0.1)


def wait_until_preferred(gateway: Any, anchor: bytes, replicas: Collection[str], timeout_s: float = 30.0) -> None:
    """Return when the gateway would send the prompt to one of these replicas first, and to the others of them next."""
    deadline_s = time.monotonic() + timeout_s
    while set(order := ray.get(gateway.order.remote(anchor))[: len(replicas)]) != set(replicas):
        assert time.monotonic() < deadline_s, f"it would go to {order}, not to {sorted(replicas)}"
        time.sleep(0.1)
