"""Which replica a call should go to, for calls that no handle of Ray Serve carries.

Ray Serve constructs the request routers itself, one for each handle of this process, and hands them nothing of ours; so each
publishes itself here, and the relay of the same process asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cluster.routing.ticket import RouteTicket


class CallRouter(Protocol):
    """Every call that was ``sent`` to a replica is ``ended`` once, whatever became of it. Any thread may call."""

    def order(self, ticket: RouteTicket) -> Sequence[str]:
        """Replicas that may have room for the request, best first, by id.

        Empty where the call should be left to Serve's handle: nothing has room, or calls that came earlier wait there already.
        """
        ...

    def sent(self, replica_id: str) -> None:
        """A call is on its way to the replica."""
        ...

    def taken(self, ticket: RouteTicket, replica_id: str, ongoing: int) -> None:
        """The replica has accepted the call and has so many requests now."""
        ...

    def declined(self, replica_id: str, ongoing: int) -> None:
        """The replica has no room beside so many requests."""
        ...

    def ended(self, replica_id: str) -> None:
        """A call that was sent there has ended, or was declined."""
        ...


#: The routers of this process by deployment name.
PROCESS_ROUTERS: dict[str, CallRouter] = {}
