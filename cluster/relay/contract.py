"""From engine replica to gateway: open a request on a replica, read its frames, cancel it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from cluster.engine.contract import EngineRequest, Frame
from cluster.routing.ticket import RouteTicket


class ReplicaLost(Exception):
    """The replica that held the request died or could not be reached. Nothing is said about how far it had come."""


class NoCapacity(Exception):
    """No replica could take the request: none is running, or every queue is full."""


class EngineStream(Protocol):
    """One outstanding request. Iterate once; leaving the iteration early requires :meth:`cancel`."""

    def __aiter__(self) -> AsyncIterator[Frame]:
        """Frames in order: the first as soon as it exists, later ones hold what has piled up since the last read.

        Raises :class:`ReplicaLost` or :class:`NoCapacity`. For a consumer that does not read, ``relay.max_buffered_bytes`` may wait
        on the way (over a handle, what Ray Serve and HTTP/2 hold on top of that); what its engine goes on to generate waits
        there, merged, and is bounded by the answer's length and the request's deadline.
        """
        ...

    async def cancel(self) -> None:
        """Abort the generation. Idempotent; harmless after the end."""
        ...


class Relay(Protocol):
    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> EngineStream:
        """Send ``request`` to a replica of ``model``, chosen by the router with ``ticket``. Returns at once."""
        ...
