"""Prefix affinity: bounded rendezvous on the request's anchor. Needs no state and no talk between gateways."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.routing.bounded_load import split_by_load
from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.ticket import RouteTicket


class PrefixAffinity(Policy):
    """The anchor's home order, with replicas over the load bound moved behind the others.

    Since both parts keep the home order, a prefix that is too hot for its home always spills to the same second home, and so finds
    itself cached there. Requests without an anchor go by ``fallback``.
    """

    def __init__(self, load_factor: float, fallback: Policy) -> None:
        self._load_factor = load_factor
        self._fallback = fallback

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        if not ticket.anchor:
            ticket.home_order = ()
            return self._fallback.choose(ticket, candidates, now_s)
        home_order = rendezvous_order(ticket.anchor, candidates)
        ticket.home_order = tuple([candidate.replica_id for candidate in home_order])
        eligible, overloaded = split_by_load(without_excluded(ticket, home_order), self._load_factor)
        return eligible + overloaded
