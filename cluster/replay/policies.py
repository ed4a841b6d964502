"""The policies that ship, by name, as replays build them."""

from __future__ import annotations

from cluster.replay.gateway import GatewaySettings
from cluster.replay.simulation import MakePolicy
from cluster.routing.policies import (
    BoundedHashing,
    LeastLoaded,
    PowerOfTwo,
    PrefixAffinity,
    PricedAffinity,
    RandomChoice,
    RoundRobin,
)
from cluster.routing.policy import Policy

OURS = "ours"

FIXED_PREFIX_TOKENS = 1024


def _ours(settings: GatewaySettings, seed: int) -> Policy:
    return PricedAffinity(settings.load_factor, settings.index_entries, settings.block_bytes, settings.recompute_weight, seed=seed)


def _bounded_hashing(settings: GatewaySettings, seed: int) -> Policy:
    blocks = FIXED_PREFIX_TOKENS * 4 // settings.block_bytes
    return BoundedHashing(settings.load_factor, blocks, LeastLoaded(seed))


POLICIES: dict[str, MakePolicy] = {
    OURS: _ours,
    "stateless": lambda settings, seed: PrefixAffinity(settings.load_factor, LeastLoaded(seed)),
    "bounded_hashing": _bounded_hashing,
    "least_loaded": lambda settings, seed: LeastLoaded(seed),
    "power_of_two": lambda settings, seed: PowerOfTwo(seed),
    "round_robin": lambda settings, seed: RoundRobin(),
    "random": lambda settings, seed: RandomChoice(seed),
}
