"""The routing policy as a request router of Ray Serve: what gateways' handles to an engine deployment choose replicas with.

Serve makes one router per handle and calls it on the handle's event loop: ``choose_replicas`` for an order, then it tries the
ranks one by one (from its queue length cache, asking the replica where that is missing or full), sends the request, and calls
``on_request_routed`` once a replica has accepted it. A replica that is full refuses; Serve then asks for a new order. So the limit
of a replica holds over all gateways, and what this router knows of loads only has to be good, not right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from cluster.relay import replicas as replica_view
from cluster.routing.policies.by_name import AFFINITY, policy_by_name
from cluster.routing.policy import Candidate
from cluster.routing.slow_start import ramp_weight
from cluster.routing.ticket import Affinity, RouteTicket

DEFAULT_LOAD_FACTOR = 1.25
DEFAULT_SLOW_START_S = 30.0


@dataclass(slots=True, kw_only=True)
class _Seat(Candidate):
    """A running replica as this router sees it: first seen at ``since_s``, with ``in_flight`` requests of this router's own."""

    replica: RunningReplica
    since_s: float
    in_flight: int = 0


class PrefixRouter(RequestRouter):  # type: ignore[misc]  # Ray ships no types
    """Orders replicas by the configured policy for the :class:`RouteTicket` in the call's keyword argument ``ticket``.

    Calls without a ticket go by least load. On routing the ticket gets ``replica_id``, ``rank``, ``affinity`` and ``decision_s``;
    the caller reads them from the object it passed in, since the router runs in its process.

    Two things to know of Serve. It learns that a replica has accepted a unary call only with the answer, so for such calls
    the ticket is filled in at their end; for streaming ones at once. And it tells calls that wait for a replica apart by the
    Serve request that they are made for: two at a time for one request would wait forever, unless each is made in a context
    of its own (``contextvars.Context().run(method.remote, …)``).
    """

    #: Steady clock, in seconds.
    clock: Callable[[], float] = staticmethod(time.monotonic)

    def initialize_state(
        self, policy: str = AFFINITY, load_factor: float = DEFAULT_LOAD_FACTOR, slow_start_s: float = DEFAULT_SLOW_START_S
    ) -> None:
        """Called by Serve with ``request_router_kwargs``, before the first replica is known. ``policy``: as ``routing.policy``."""
        self._policy = policy_by_name(policy, load_factor)
        self._slow_start_s = slow_start_s
        self._seats: dict[str, _Seat] = {}
        self._warming: list[_Seat] = []
        self._listed: tuple[list[RunningReplica], list[_Seat]] = ([], [])
        self._started_s: float | None = None

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Serve's broadcast of running replicas: all of them, each time something about one changes."""
        super().update_replicas(replicas)
        now_s = self.clock()
        if self._started_s is None and replicas:
            self._started_s = now_s
        # No slow start for those that a new gateway finds, which are warm for all it knows, nor for those that come up with them,
        # which are no colder than the others.
        newcomer = self._started_s is not None and now_s - self._started_s > self._slow_start_s
        since_s = now_s if newcomer else now_s - self._slow_start_s
        seats: dict[str, _Seat] = {}
        for replica in replicas:
            unique_id = replica.replica_id.unique_id
            seat = self._seats.get(unique_id) or _Seat(replica_id=unique_id, replica=replica, since_s=since_s)
            seat.replica = replica
            seat.stats = replica.routing_stats
            seats[unique_id] = seat
        self._seats = seats
        self._warming = list(seats.values())
        self._warm_up(now_s)
        # Through its module: Serve pickles this class by value, and the view must stay the one of the process.
        replica_view.PROCESS_VIEW.publish(self._deployment_id.name, seats)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """A call found the replica dead, before the controller's broadcast."""
        super().on_replica_actor_died(replica_id)
        self._seats.pop(replica_id.unique_id, None)
        replica_view.PROCESS_VIEW.publish(self._deployment_id.name, self._seats)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """One replica per rank, since within a rank Serve takes the shortest queue whatever the order."""
        started_s = time.perf_counter()
        ticket = RouteTicket()
        if pending_request is not None:
            # Without it Serve asks again at once, for as long as all replicas are full.
            pending_request.routing_context.should_backoff = True
            ticket = _ticket_of(pending_request) or ticket

        seats = self._seats_of(candidate_replicas)
        queue_length = self.replica_queue_len_cache.get
        for seat in seats:
            # Serve's count covers other gateways too, but is forgotten after ten quiet seconds; ours never is.
            queued = queue_length(seat.replica.replica_id) or 0
            seat.load = queued if queued > seat.in_flight else seat.in_flight
        now_s = self.clock()
        if self._warming:
            self._warm_up(now_s)
        order = self._policy.choose(ticket, seats, now_s)
        ranks = [[cast(_Seat, seat).replica] for seat in order]
        ticket.decision_s += time.perf_counter() - started_s
        return ranks

    def _seats_of(self, replicas: list[RunningReplica]) -> list[_Seat]:
        """The seats of Serve's list, which is a new one whenever a replica comes or goes."""
        listed, seats = self._listed
        if listed is not replicas:
            known = [self._seats.get(replica.replica_id.unique_id) for replica in replicas]
            seats = [seat for seat in known if seat is not None]
            self._listed = (replicas, seats)
        return seats

    def _warm_up(self, now_s: float) -> None:
        for seat in self._warming:
            seat.weight = ramp_weight(now_s - seat.since_s, self._slow_start_s)
        self._warming = [seat for seat in self._warming if seat.weight < 1.0]

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """A request is on its way to a replica."""
        super().on_send_request(replica_id)
        seat = self._seats.get(replica_id.unique_id)
        if seat is not None:
            seat.in_flight += 1

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        """A replica has accepted the request. Its end may have been reported already, so nothing is counted here."""
        ticket = _ticket_of(pending_request)
        if ticket is not None:
            _fill_in(ticket, replica_id.unique_id)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """A request has ended, was refused, or could not be sent."""
        seat = self._seats.get(replica_id.unique_id)
        if seat is not None and seat.in_flight > 0:
            seat.in_flight -= 1


def _ticket_of(pending_request: PendingRequest) -> RouteTicket | None:
    ticket = pending_request.kwargs.get("ticket")
    return ticket if isinstance(ticket, RouteTicket) else None


def _fill_in(ticket: RouteTicket, replica_id: str) -> None:
    ticket.replica_id = replica_id
    if replica_id in ticket.home_order:
        ticket.rank = ticket.home_order.index(replica_id)
        ticket.affinity = Affinity.HOME if ticket.rank == 0 else Affinity.SPILLED
    else:
        ticket.rank = None
        ticket.affinity = Affinity.NONE
