"""Consistent hashing with bounded load on a fixed length of prompt: the stateless classic."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.routing.bounded_load import split_by_load
from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.ticket import RouteTicket


class BoundedHashing(Policy):
    """The home order of the block at ``prefix_blocks``, replicas over ``load_factor`` times the mean load behind the others.

    Prompts that are shorter go by their last whole block. Too few blocks send everything that begins alike to one home; too many
    give each turn of a conversation another one.
    """

    def __init__(self, load_factor: float, prefix_blocks: int, fallback: Policy) -> None:
        self._load_factor = load_factor
        self._prefix_blocks = prefix_blocks
        self._fallback = fallback

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        if not ticket.chain:
            ticket.home_order = ()
            return self._fallback.choose(ticket, candidates, now_s)
        home_order = rendezvous_order(ticket.chain[: self._prefix_blocks][-1], candidates)
        ticket.home_order = tuple([candidate.replica_id for candidate in home_order])
        eligible, overloaded = split_by_load(without_excluded(ticket, home_order), self._load_factor)
        return eligible + overloaded
