"""``routing.policy`` and the policies behind it."""

from __future__ import annotations

import typing
from collections import Counter

import pytest

from cluster.config.schema import RoutingSettings
from cluster.routing.policies.by_name import AFFINITY, policy_by_name
from cluster.routing.policy import Candidate
from cluster.routing.ticket import RouteTicket

NAMES = typing.get_args(RoutingSettings.model_fields["policy"].annotation)
ANCHOR = b"a" * 16


def homes(name: str, requests: int = 300) -> Counter[str]:
    """First choices of one policy for one prefix among three idle replicas."""
    policy = policy_by_name(name, 1.25)
    replicas = [Candidate(f"r{number}") for number in range(3)]
    return Counter(policy.choose(RouteTicket(anchor=ANCHOR), replicas, 0.0)[0].replica_id for _ in range(requests))


def test_the_default_keeps_a_prefix_on_one_replica() -> None:
    assert RoutingSettings().policy == AFFINITY
    assert len(homes(AFFINITY)) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name != AFFINITY])
def test_every_other_policy_spreads_a_prefix(name: str) -> None:
    counts = homes(name)
    assert len(counts) == 3
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_round_robin_gives_each_its_turn() -> None:
    assert set(homes("round_robin", 30).values()) == {10}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'ours'"):
        policy_by_name("ours", 1.25)
