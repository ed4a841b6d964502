"""Power of two choices: the less loaded of two random replicas. Forgiving where loads are known late."""

from __future__ import annotations

import random
from collections.abc import Sequence

from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.ticket import RouteTicket


class PowerOfTwo(Policy):
    """Two replicas drawn by weight, the less loaded first; then the others in the order in which they were drawn."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        order = rendezvous_order(self._random.randbytes(16), without_excluded(ticket, candidates))
        if len(order) > 1 and order[1].weight > 0.0 and order[1].load < order[0].load:
            order[0], order[1] = order[1], order[0]
        return order
