"""Bounded load: how much work a replica may have and still get more for affinity's sake."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.routing.policy import Candidate


def split_by_load(order: Sequence[Candidate], load_factor: float) -> tuple[list[Candidate], list[Candidate]]:
    """``(eligible, overloaded)``, each in the given order.

    A replica is eligible while ``load <= load_factor * max(share, 1)``, where ``share`` is its part of all load by weight (with
    equal weights: the mean). Replicas of weight 0 are never eligible. If there are others, one of them always
    is, since not all loads can be above their share.
    """
    total_load = 0.0
    total_weight = 0.0
    for candidate in order:
        total_load += candidate.load
        total_weight += candidate.weight
    share_per_weight = total_load / total_weight if total_weight > 0.0 else 0.0

    eligible: list[Candidate] = []
    overloaded: list[Candidate] = []
    for candidate in order:
        bound = load_factor * max(share_per_weight * candidate.weight, 1.0)
        fits = candidate.weight > 0.0 and candidate.load <= bound
        (eligible if fits else overloaded).append(candidate)
    return eligible, overloaded
