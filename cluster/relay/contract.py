"""From engine replica to gateway: open a request on a replica, read its frames, cancel it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from cluster.engine.contract import EngineRequest, Frame
from cluster.routing.ticket import RouteTicket

#: Takes payloads in the very turn in which they come. ``False``: it took nothing, and they are to be kept for the iteration.
#: It does not raise.
Outlet = Callable[[list[bytes]], bool]


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
        there, merged, and is bounded by the answer's length and the request's deadline. Raises
        :class:`~cluster.errors.ClientTooSlow` when ``relay.max_waiting_bytes`` were waiting for all consumers together and this
        one had to make room.
        """
        ...

    def flow(self, outlet: Outlet) -> None:
        """Let payloads of later frames go to ``outlet`` as they come; what it doesn't take, and the last frame, are iterated.

        To be called between two frames. A permission: a relay whose frames are pulled goes on to be iterated for all of them.
        """
        ...

    async def cancel(self) -> None:
        """Abort the generation. Idempotent; harmless after the end."""
        ...


class Relay(Protocol):
    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> EngineStream:
        """Send ``request`` to a replica of ``model``, chosen by the router with ``ticket``. Returns at once."""
        ...
