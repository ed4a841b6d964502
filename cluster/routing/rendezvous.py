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

_TWO_TO_64 = 18446744073709551616.0
_first = itemgetter(0)


def rendezvous_order(anchor: bytes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """All candidates, best first. Those of weight 0 come last, in an order of their own."""
    drawn = [(blake2b(anchor + candidate.seed, digest_size=8).digest(), candidate) for candidate in candidates]
    drawn.sort(key=_first, reverse=True)
    if len({candidate.weight for candidate in candidates}) > 1:
        # Equal weights leave the order of the draws as it is.
        drawn.sort(key=_arrival)
    return [candidate for _, candidate in drawn]


def _arrival(draw: tuple[bytes, Candidate]) -> float:
    """``-ln(u) / weight``: smaller is better (the time at which an exponential process of rate ``weight`` first fires)."""
    digest, candidate = draw
    if candidate.weight <= 0.0:
        return inf
    return -log((int.from_bytes(digest, "big") + 0.5) / _TWO_TO_64) / candidate.weight
