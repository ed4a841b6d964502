"""The routing policy as a request router of Ray Serve: what gateways' handles to an engine deployment choose replicas with.

Serve makes one router per handle and calls it on the handle's event loop: ``choose_replicas`` for an order, then it tries the
ranks one by one (from its queue length cache, asking the replica where that is missing or full), sends the request, and calls
``on_request_routed`` once a replica has accepted it. A replica that is full refuses; Serve then asks for a new order. So the limit
of a replica holds over all gateways, and what this router knows of loads only has to be good, not right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from cluster.relay import call_router
from cluster.relay import loads as load_view
from cluster.relay import replicas as replica_view
from cluster.relay import residency as residency_view
from cluster.routing.fleet import Fleet
from cluster.routing.pending import LoadReport
from cluster.routing.policies.by_name import AFFINITY, PolicyOptions, policy_by_name
from cluster.routing.policy import Candidate, ReplicaReport
from cluster.routing.ticket import Answer, RouteTicket

DEFAULT_LOAD_FACTOR = 1.25
DEFAULT_SLOW_START_S = 30.0
DEFAULT_INDEX_ENTRIES = 200_000
DEFAULT_BLOCK_BYTES = 512
DEFAULT_RECOMPUTE_WEIGHT = 2.0
SOFT_INDEX = "soft"


class PrefixRouter(RequestRouter):  # type: ignore[misc]  # Ray ships no types
    """Orders replicas by the configured policy for the :class:`RouteTicket` in the call's keyword argument ``ticket``.

    Calls without a ticket go by least load. On routing the ticket gets ``replica_id``, ``rank``, ``affinity``, ``decision_s`` and
    ``feedback``; the caller reads them from the object it passed in, since the router runs in its process, and tells the router
    through the ticket how the request went on.

    Two things to know of Serve. It learns that a replica has accepted a unary call only with the answer, so for such calls
    the ticket is filled in at their end; for streaming ones at once. And it tells calls that wait for a replica apart by the
    Serve request that they are made for: two at a time for one request would wait forever, unless each is made in a context
    of its own (``contextvars.Context().run(method.remote, …)``).
    """

    #: Steady clock, in seconds.
    clock: Callable[[], float] = staticmethod(time.monotonic)

    def initialize_state(
        self,
        policy: str = AFFINITY,
        load_factor: float = DEFAULT_LOAD_FACTOR,
        slow_start_s: float = DEFAULT_SLOW_START_S,
        index_entries: int = DEFAULT_INDEX_ENTRIES,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        recompute_weight: float = DEFAULT_RECOMPUTE_WEIGHT,
        index: str = SOFT_INDEX,
        adapter_load_ms: float = 0.0,
    ) -> None:
        """Called by Serve with ``request_router_kwargs``, before the first replica is known.

        ``policy`` and ``index``: as in ``routing``.
        """
        # Through its module, as the view of replicas below.
        residency = residency_view.PROCESS_TABLE if index != SOFT_INDEX else None
        options = PolicyOptions(
            load_factor, index_entries, block_bytes, recompute_weight, residency=residency, adapter_load_ms=adapter_load_ms
        )
        self._policy = policy_by_name(policy, options)
        self._fleet = Fleet(slow_start_s)
        self._running: dict[str, RunningReplica] = {}
        self._heard: dict[str, int] = {}  # by replica the number of the last report: one is news once, whichever way it comes
        # Serve may run its routers on a thread of their own; feedback and calls over channels come from the gateway's.
        self._lock = Lock()
        # Through their modules, as the view of replicas below.
        call_router.PROCESS_ROUTERS[self._deployment_id.name] = self
        load_view.PROCESS_LOADS.listen(self)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Serve's broadcast of running replicas: all of them, each time something about one changes."""
        super().update_replicas(replicas)
        now_s = self.clock()
        running = {replica.replica_id.unique_id: replica for replica in replicas}
        with self._lock:
            for gone in self._fleet.update(running, now_s):
                self._forget(gone)
            for unique_id, replica in running.items():
                report = LoadReport.of_stats(replica.routing_stats or {})
                if report is not None:
                    self._hear(unique_id, report, now_s)
            self._running = running
        # Through its module: Serve pickles this class by value, and the view must stay the one of the process.
        replica_view.PROCESS_VIEW.publish(self._deployment_id.name, running)

    def replica_told(self, replica_id: str, report: LoadReport) -> None:
        """A replica told over its channel; it may be one of another model."""
        with self._lock:
            if replica_id in self._running:
                self._hear(replica_id, report, self.clock())

    def _hear(self, replica_id: str, report: LoadReport, now_s: float) -> None:
        if report.number > self._heard.get(replica_id, -1):
            self._heard[replica_id] = report.number
            self._fleet.reported(replica_id, report.ongoing, now_s)
            told = ReplicaReport(report.pending_tokens, report.given_tokens, report.marks, report.adapters, report.adapter_load_ms)
            self._policy.reported(replica_id, told, now_s)

    def _forget(self, replica_id: str) -> None:
        self._policy.forget(replica_id)
        self._heard.pop(replica_id, None)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """A call found the replica dead, before the controller's broadcast."""
        super().on_replica_actor_died(replica_id)
        with self._lock:
            self._fleet.remove(replica_id.unique_id)
            self._running.pop(replica_id.unique_id, None)
            self._forget(replica_id.unique_id)
        replica_view.PROCESS_VIEW.publish(self._deployment_id.name, [seat.replica_id for seat in self._fleet.seats])

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """One replica per rank, since within a rank Serve takes the shortest queue whatever the order."""
        ticket = RouteTicket()
        if pending_request is not None:
            # Without it Serve asks again at once, for as long as all replicas are full.
            pending_request.routing_context.should_backoff = True
            ticket = _ticket_of(pending_request) or ticket
        return [[replica] for _, replica in self._decide(ticket, candidate_replicas)]

    def _decide(self, ticket: RouteTicket, among: Sequence[RunningReplica] | None = None) -> list[tuple[Candidate, RunningReplica]]:
        """The policy's order of these replicas, or of all."""
        started_s = time.perf_counter()
        now_s = self.clock()
        with self._lock:
            running: Mapping[str, RunningReplica] = self._running
            seats: Sequence[Candidate] = self._fleet.refresh(now_s)
            if among is not None and len(among) != len(seats):
                running = {replica.replica_id.unique_id: replica for replica in among}
                seats = [seat for seat in seats if seat.replica_id in running]
            order = [(seat, running[seat.replica_id]) for seat in self._policy.choose(ticket, seats, now_s)]
        ticket.decision_s += time.perf_counter() - started_s
        return order

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None:
        """A replica that accepted or refused a request of ours told how many it has."""
        super().on_new_queue_len_info(replica_id, num_ongoing_requests)
        self._counted(replica_id.unique_id, num_ongoing_requests)

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """A request is on its way to a replica."""
        super().on_send_request(replica_id)
        self.sent(replica_id.unique_id)

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        """A replica has accepted the request. Its end may have been reported already, so nothing is counted here."""
        ticket = _ticket_of(pending_request)
        if ticket is not None:
            self._routed(ticket, replica_id.unique_id)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """A request has ended, was refused, or could not be sent."""
        self.ended(replica_id.unique_id)

    def _routed(self, ticket: RouteTicket, replica_id: str) -> None:
        if ticket.ended:
            return  # a cancelled call may be accepted all the same
        ticket.routed_to(replica_id)
        with self._lock:
            # One that began to drain has taken what was on its way. The policy has forgotten it, and is not told again to.
            if replica_id in self._running:
                self._policy.routed(ticket, replica_id, self.clock())
        ticket.feedback = self

    def _counted(self, replica_id: str, ongoing: int) -> None:
        with self._lock:
            self._fleet.reported(replica_id, ongoing, self.clock())

    # CallRouter
    def order(self, ticket: RouteTicket) -> list[str]:
        if self.num_pending_requests > 0:
            return []
        # A count that is a moment old does no harm: the replica keeps its limit itself.
        return [seat.replica_id for seat, replica in self._decide(ticket) if seat.load < replica.max_ongoing_requests]

    def sent(self, replica_id: str) -> None:
        with self._lock:
            self._fleet.sent(replica_id)

    def taken(self, ticket: RouteTicket, replica_id: str, ongoing: int) -> None:
        self._counted(replica_id, ongoing)
        self._routed(ticket, replica_id)

    def declined(self, replica_id: str, ongoing: int) -> None:
        self._counted(replica_id, ongoing)

    def ended(self, replica_id: str) -> None:
        with self._lock:
            self._fleet.ended(replica_id)

    # Feedback
    def first_token(self, ticket: RouteTicket) -> None:
        with self._lock:
            self._policy.first_token(ticket, self.clock())

    def finished(self, ticket: RouteTicket, answer: Answer | None) -> None:
        with self._lock:
            self._policy.finished(ticket, answer, self.clock())


def _ticket_of(pending_request: PendingRequest) -> RouteTicket | None:
    ticket = pending_request.kwargs.get("ticket")
    return ticket if isinstance(ticket, RouteTicket) else None
