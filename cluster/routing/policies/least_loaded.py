"""Least load: the replica with the least work for its weight. Right where nothing can be cached."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import inf

from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.ticket import RouteTicket


class LeastLoaded(Policy):
    """Ascending by load over weight; equally loaded ones in a fresh random order per request, drawn from ``seed``."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        order = rendezvous_order(self._random.randbytes(16), without_excluded(ticket, candidates))
        order.sort(key=_relative_load)
        return order


def _relative_load(candidate: Candidate) -> float:
    # One request counts as in: an idle replica that warms up is no better than an idle warm one.
    return (candidate.load + 1.0) / candidate.weight if candidate.weight > 0.0 else inf
