"""``routing.policy`` and the policies behind it."""

from __future__ import annotations

import typing
from collections import Counter

import pytest

from cluster.config.settings.routing import RoutingSettings
from cluster.routing.policies import PricedAffinity
from cluster.routing.policies.by_name import AFFINITY, NAMES, PolicyOptions, policy_by_name
from cluster.routing.policy import Candidate
from cluster.routing.ticket import RouteTicket

ANCHOR = b"a" * 16
KEEPING = ("affinity", "rendezvous", "bounded_hashing")


def homes(name: str, requests: int = 300) -> Counter[str]:
    """First choices of one policy for one prefix among three idle replicas."""
    policy = policy_by_name(name, PolicyOptions(seed=1))
    replicas = [Candidate(f"r{number}") for number in range(3)]
    tickets = [RouteTicket(anchor=ANCHOR, chain=(ANCHOR,), prompt_bytes=8000) for _ in range(requests)]
    return Counter(policy.choose(ticket, replicas, 0.0)[0].replica_id for ticket in tickets)


def test_the_setting_takes_every_policy() -> None:
    assert typing.get_args(RoutingSettings.model_fields["policy"].annotation) == NAMES


def test_the_default_is_priced() -> None:
    assert RoutingSettings().policy == AFFINITY
    assert isinstance(policy_by_name(AFFINITY, PolicyOptions()), PricedAffinity)


def test_options_default_to_what_settings_do() -> None:
    options, settings = PolicyOptions(), RoutingSettings()
    for name in ("load_factor", "index_entries", "block_bytes", "recompute_weight"):
        assert getattr(options, name) == getattr(settings, name), name


@pytest.mark.parametrize("name", KEEPING)
def test_policies_with_homes_keep_a_prefix_on_one_replica(name: str) -> None:
    assert len(homes(name)) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if name not in KEEPING])
def test_every_other_policy_spreads_a_prefix(name: str) -> None:
    counts = homes(name)
    assert len(counts) == 3
    assert max(counts.values()) < 1.5 * min(counts.values())


def test_round_robin_gives_each_its_turn() -> None:
    assert set(homes("round_robin", 30).values()) == {10}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'ours'"):
        policy_by_name("ours", PolicyOptions())
