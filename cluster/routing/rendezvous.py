"""Weighted rendezvous hashing: an order of replicas for every anchor that all gateways agree on without talking.

Each pair of anchor and replica has a pseudo-random number ``u`` in (0, 1); replicas are ordered by ``-weight / ln(u)``, largest
first. A replica is first for a share of anchors proportional to its weight, and one that joins or leaves moves only the anchors
that it gains or had. The order behind the first place is the spill order: where a prefix overflows to, always the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import inf, log
from operator import itemgetter

from cluster.routing.policy import Candidate

_BITS = 128
_MASK = (1 << _BITS) - 1
_TWO_TO_128 = float(1 << _BITS)
_first = itemgetter(0)

REMEMBERED_ORDERS = 2048
"""A kilobyte each among 64 replicas."""


def rendezvous_order(anchor: bytes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """All candidates, best first. Those of weight 0 come last, in an order of their own.

    A draw is ``H(anchor) · seed mod 2^128``: a hash of the anchor, and for each replica only a multiplication, whose upper bits are
    evenly distributed over anchors and (Dietzfelbinger's multiply-shift) almost independent between replicas.
    """
    hashed = int.from_bytes(blake2b(anchor, digest_size=16).digest(), "big")
    drawn = [(hashed * candidate.seed & _MASK, candidate) for candidate in candidates]
    drawn.sort(key=_first, reverse=True)
    if len({candidate.weight for candidate in candidates}) > 1:
        # Equal weights leave the order of the draws as it is.
        drawn.sort(key=_arrival)
    return [candidate for _, candidate in drawn]


def _arrival(draw: tuple[int, Candidate]) -> float:
    """``-ln(u) / weight``: smaller is better (the time at which an exponential process of rate ``weight`` first fires)."""
    number, candidate = draw
    if candidate.weight <= 0.0:
        return inf
    return -log((number + 0.5) / _TWO_TO_128) / candidate.weight


class HomeOrders:
    """Rendezvous orders, kept for anchors that come again while the candidates stay what they are.

    Orders are given as two parallel tuples, the candidates and their ids. Not thread-safe.
    """

    def __init__(self, capacity: int = REMEMBERED_ORDERS) -> None:
        self._capacity = capacity
        self._candidates: Sequence[Candidate] | None = None
        self._known: dict[bytes, tuple[tuple[Candidate, ...], tuple[str, ...]]] = {}  # by anchor, oldest first

    def of(self, anchor: bytes, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
        """As ``rendezvous_order``. What is kept holds for the same tuple, whose members' weights must not have changed."""
        if candidates is not self._candidates:
            self._known.clear()
            # A list may have changed its members by the next time.
            self._candidates = candidates if isinstance(candidates, tuple) else None
        order = self._known.pop(anchor, None)
        if order is None:
            ordered = tuple(rendezvous_order(anchor, candidates))
            order = ordered, tuple([candidate.replica_id for candidate in ordered])
            if len(self._known) >= self._capacity:
                del self._known[next(iter(self._known))]
        self._known[anchor] = order
        return order
