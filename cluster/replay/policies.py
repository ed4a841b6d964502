"""The policies that ship, by name, as replays build them."""

from __future__ import annotations

from functools import partial

from cluster.replay.gateway import GatewaySettings
from cluster.replay.simulation import MakePolicy
from cluster.routing.policies.by_name import AFFINITY, NAMES, PolicyOptions, policy_by_name
from cluster.routing.policy import Policy

OURS = AFFINITY


def _policy(name: str, settings: GatewaySettings, seed: int) -> Policy:
    options = PolicyOptions(
        load_factor=settings.load_factor,
        index_entries=settings.index_entries,
        block_bytes=settings.block_bytes,
        recompute_weight=settings.recompute_weight,
        seed=seed,
        residency=settings.residency,
    )
    return policy_by_name(name, options)


POLICIES: dict[str, MakePolicy] = {name: partial(_policy, name) for name in NAMES}
