"""Stands for Ray Serve's request router: the real policy over one replica that never changes."""

from __future__ import annotations

import time

from cluster.relay import call_router
from cluster.routing.fleet import Fleet
from cluster.routing.policies.by_name import AFFINITY, PolicyOptions, policy_by_name
from cluster.routing.ticket import Answer, RouteTicket


class FakeRouter:
    """Implements :class:`~cluster.relay.call_router.CallRouter` and the ticket's feedback."""

    def __init__(self, replica_id: str, options: PolicyOptions) -> None:
        self._policy = policy_by_name(AFFINITY, options)
        self._fleet = Fleet(slow_start_s=0.0)
        self._fleet.update([replica_id], time.monotonic())

    def publish(self, deployment: str) -> None:
        call_router.PROCESS_ROUTERS[deployment] = self

    def order(self, ticket: RouteTicket) -> list[str]:
        started_s = time.perf_counter()
        now_s = time.monotonic()
        order = self._policy.choose(ticket, self._fleet.refresh(now_s), now_s)
        ticket.decision_s += time.perf_counter() - started_s
        return [seat.replica_id for seat in order]

    def sent(self, replica_id: str) -> None:
        self._fleet.sent(replica_id)

    def taken(self, ticket: RouteTicket, replica_id: str, ongoing: int) -> None:
        now_s = time.monotonic()
        self._fleet.reported(replica_id, ongoing, now_s)
        ticket.routed_to(replica_id)
        self._policy.routed(ticket, replica_id, now_s)
        ticket.feedback = self

    def declined(self, replica_id: str, ongoing: int) -> None:
        self._fleet.reported(replica_id, ongoing, time.monotonic())

    def ended(self, replica_id: str) -> None:
        self._fleet.ended(replica_id)

    # Feedback
    def first_token(self, ticket: RouteTicket) -> None:
        self._policy.first_token(ticket, time.monotonic())

    def finished(self, ticket: RouteTicket, answer: Answer | None) -> None:
        self._policy.finished(ticket, answer, time.monotonic())
