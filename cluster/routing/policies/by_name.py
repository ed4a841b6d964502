"""Policies by the names that ``routing.policy`` takes."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.routing.anchors import BYTES_PER_TOKEN
from cluster.routing.policies.bounded_hashing import BoundedHashing
from cluster.routing.policies.least_loaded import LeastLoaded
from cluster.routing.policies.power_of_two import PowerOfTwo
from cluster.routing.policies.prefix_affinity import PrefixAffinity
from cluster.routing.policies.priced_affinity import PricedAffinity
from cluster.routing.policies.random_choice import RandomChoice
from cluster.routing.policies.round_robin import RoundRobin
from cluster.routing.policy import Policy
from cluster.routing.precise_index import PreciseIndex
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.soft_index import SoftIndex

AFFINITY = "affinity"
NAMES = (AFFINITY, "rendezvous", "bounded_hashing", "least_load", "power_of_two", "round_robin", "random")

FIXED_PREFIX_TOKENS = 1024
"""Length of prompt by which ``bounded_hashing`` goes."""


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """The settings of ``routing`` that policies take, by the same names. ``seed`` makes random choices repeatable.

    ``adapter_load_ms`` is the model's ``adapters.load_ms``. ``residency``: what engines tell of their caches, where
    ``routing.index`` is ``precise``.
    """

    load_factor: float = 1.25
    index_entries: int = 200_000
    block_bytes: int = 512
    recompute_weight: float = 2.0
    seed: int | None = None
    residency: ResidencyTable | None = None
    adapter_load_ms: float = 0.0


def policy_by_name(name: str, options: PolicyOptions) -> Policy:
    """A new policy. Raises ``ValueError`` for a name that ``routing.policy`` does not take."""
    load_factor, seed = options.load_factor, options.seed
    match name:
        case "affinity":
            index = SoftIndex(options.index_entries)
            return PricedAffinity(
                load_factor,
                options.index_entries,
                options.block_bytes,
                options.recompute_weight,
                seed,
                index if options.residency is None else PreciseIndex(index, options.residency),
                options.adapter_load_ms,
            )
        case "rendezvous":
            return PrefixAffinity(load_factor, LeastLoaded(seed))
        case "bounded_hashing":
            blocks = max(1, FIXED_PREFIX_TOKENS * BYTES_PER_TOKEN // options.block_bytes)
            return BoundedHashing(load_factor, blocks, LeastLoaded(seed))
        case "least_load":
            return LeastLoaded(seed)
        case "power_of_two":
            return PowerOfTwo(seed)
        case "round_robin":
            return RoundRobin()
        case "random":
            return RandomChoice(seed)
    raise ValueError(f"no routing policy is named {name!r}")
