"""Policies by the names that ``routing.policy`` takes."""

from __future__ import annotations

from cluster.routing.policies.least_loaded import LeastLoaded
from cluster.routing.policies.power_of_two import PowerOfTwo
from cluster.routing.policies.prefix_affinity import PrefixAffinity
from cluster.routing.policies.random_choice import RandomChoice
from cluster.routing.policies.round_robin import RoundRobin
from cluster.routing.policy import Policy

AFFINITY = "affinity"


def policy_by_name(name: str, load_factor: float) -> Policy:
    """A new policy. Raises ``ValueError`` for a name that ``routing.policy`` does not take."""
    match name:
        case "affinity":
            return PrefixAffinity(load_factor, LeastLoaded())
        case "least_load":
            return LeastLoaded()
        case "power_of_two":
            return PowerOfTwo()
        case "round_robin":
            return RoundRobin()
        case "random":
            return RandomChoice()
    raise ValueError(f"no routing policy is named {name!r}")
