"""Random: what every other policy has to beat."""

from __future__ import annotations

import random
from collections.abc import Sequence

from cluster.routing.policy import Candidate, Policy, without_excluded
from cluster.routing.rendezvous import rendezvous_order
from cluster.routing.ticket import RouteTicket


class RandomChoice(Policy):
    """A fresh random order per request, drawn from ``seed`` by the replicas' weights."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def choose(self, ticket: RouteTicket, candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
        return rendezvous_order(self._random.randbytes(16), without_excluded(ticket, candidates))
