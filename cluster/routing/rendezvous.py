"""Weighted rendezvous hashing: an order of replicas for every anchor that all gateways agree on without talking.

Each pair of anchor and replica has a pseudo-random number ``u`` in (0, 1); replicas are ordered by ``-weight / ln(u)``, largest
first. A replica is first for a share of anchors proportional to its weight, and one that joins or leaves moves only the anchors
that it gains or had. The order behind the first place is the spill order: where a prefix overflows to, always the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import inf, log

from cluster.routing.policy import Candidate

_TWO_TO_64 = 18446744073709551616.0


def rendezvous_order(anchor: bytes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """All candidates, best first. Those of weight 0 come last, in an order of their own; ties go by replica id."""
    ranked = [
        (_arrival(blake2b(anchor + candidate.seed, digest_size=8).digest(), candidate.weight), candidate.replica_id, candidate)
        for candidate in candidates
    ]
    ranked.sort(key=_first_two)
    return [candidate for _, _, candidate in ranked]


def _arrival(digest: bytes, weight: float) -> float:
    """``-ln(u) / weight``: smaller is better (the time at which an exponential process of rate ``weight`` first fires)."""
    if weight <= 0.0:
        return inf
    return -log((int.from_bytes(digest, "big") + 0.5) / _TWO_TO_64) / weight


def _first_two(entry: tuple[float, str, Candidate]) -> tuple[float, str]:
    return entry[:2]
