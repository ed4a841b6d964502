"""A request that goes to its replica over the channel on which the answer will come back.

It is offered to one replica after the other, in the router's order. What this way has no answer to is left to a handle of Ray
Serve: a replica without a channel (the call by the handle makes it dial), and replicas that are all full, for which Serve's calls
wait in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cluster.engine.contract import EngineRequest
from cluster.relay.call_router import CallRouter
from cluster.relay.channel.gateway_end import Awaited, ChannelServer
from cluster.relay.channel.messages import Call
from cluster.routing.ticket import RouteTicket

#: Replicas that are asked before the handle is: the first one has room as a rule, and each refusal costs a round trip.
_MAX_OFFERS = 3


class OutstandingCall(Protocol):
    """What has a stream's request carried to a replica."""

    def done(self) -> None:
        """The stream has its last frame, or has failed."""
        ...

    def cancel(self) -> None:
        """Nobody wants the rest."""
        ...


class ChannelCall:
    """One request. ``otherwise`` makes the call by a handle."""

    def __init__(
        self,
        server: ChannelServer,
        awaited: Awaited,
        request: EngineRequest,
        body_bytes: int,
        window_bytes: int,
        ticket: RouteTicket,
        router: CallRouter,
        otherwise: Callable[[], OutstandingCall],
    ) -> None:
        self._server = server
        self._awaited = awaited
        self._request = request
        self._body_bytes = body_bytes
        self._window_bytes = window_bytes
        self._ticket = ticket
        self._router = router
        self._otherwise = otherwise
        self._tried: set[str] = set()
        self._replica_id: str | None = None
        self._instead: OutstandingCall | None = None
        self._offer()

    # PlacedCall
    def taken(self, ongoing: int) -> None:
        assert self._replica_id is not None
        self._router.taken(self._ticket, self._replica_id, ongoing)

    def declined(self, ongoing: int) -> None:
        assert self._replica_id is not None
        self._router.declined(self._replica_id, ongoing)
        self._leave()
        self._offer()

    # OutstandingCall
    def done(self) -> None:
        self._leave()
        if self._instead is not None:
            self._instead.done()

    def cancel(self) -> None:
        # The replica is told when the stream is forgotten.
        self._leave()
        if self._instead is not None:
            self._instead.cancel()

    def _offer(self) -> None:
        """Send the request to the next replica, or leave it to the handle."""
        replica_id = self._next()
        channel = self._server.channel_for_calls(replica_id) if replica_id is not None else None
        if replica_id is None or channel is None:
            self._instead = self._otherwise()
            return
        self._tried.add(replica_id)
        self._replica_id = replica_id
        # Known before the replica has said anything, so that a retry leaves it out if it dies now.
        self._ticket.replica_id = replica_id
        self._router.sent(replica_id)
        call = Call(self._awaited.stream, self._window_bytes, self._request, self._ticket.arriving(), self._body_bytes)
        self._server.place(self._awaited, channel, call, self)

    def _next(self) -> str | None:
        if len(self._tried) == _MAX_OFFERS:
            return None
        return next((name for name in self._router.order(self._ticket) if name not in self._tried), None)

    def _leave(self) -> None:
        replica_id, self._replica_id = self._replica_id, None
        if replica_id is not None:
            self._router.ended(replica_id)
