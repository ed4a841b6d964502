"""Bounded load: how much work a replica may have and still get more for affinity's sake."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.routing.policy import Candidate

_ROUNDING = 1.0 + 1e-9  # so that a load equal to its bound stays within it


def split_by_load(order: Sequence[Candidate], load_factor: float) -> tuple[list[Candidate], list[Candidate]]:
    """``(eligible, overloaded)``, each in the given order.

    A replica is eligible while ``load <= load_factor * max(share, 1)``, where ``share`` is its part of all load by weight (with
    equal weights: the mean). Replicas of weight 0 are never eligible. If there are others, one of them always
    is, since not all loads can be above their share.
    """
    total_weight = sum([candidate.weight for candidate in order])
    if total_weight <= 0.0:
        return [], list(order)
    total_load = sum([candidate.load for candidate in order])
    bound_per_weight = load_factor * total_load / total_weight * _ROUNDING

    eligible: list[Candidate] = []
    overloaded: list[Candidate] = []
    for candidate in order:
        load, weight = candidate.load, candidate.weight
        fits = weight > 0.0 and (load <= load_factor or load <= bound_per_weight * weight)
        (eligible if fits else overloaded).append(candidate)
    return eligible, overloaded
