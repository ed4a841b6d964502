from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.policy import Candidate
from cluster.routing.rendezvous import rendezvous_order

ANCHORS = [number.to_bytes(16, "big") for number in range(10_000)]


def replicas(count: int, **weights: float) -> list[Candidate]:
    return [Candidate(f"r{number}", weight=weights.get(f"r{number}", 1.0)) for number in range(count)]


def order(anchor: bytes, candidates: list[Candidate]) -> list[str]:
    return [candidate.replica_id for candidate in rendezvous_order(anchor, candidates)]


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=16), st.permutations(range(8)))
def test_gateways_that_know_the_same_replicas_agree_on_the_whole_order(anchor: bytes, shuffled: list[int]) -> None:
    candidates = replicas(8)
    assert order(anchor, candidates) == order(anchor, [candidates[number] for number in shuffled])


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=16), st.integers(0, 7))
def test_a_replica_that_leaves_changes_nothing_for_the_others(anchor: bytes, gone: int) -> None:
    everyone = order(anchor, replicas(8))
    rest = order(anchor, [candidate for candidate in replicas(8) if candidate.replica_id != f"r{gone}"])
    assert rest == [replica for replica in everyone if replica != f"r{gone}"]


def test_each_replica_is_home_to_its_part_of_anchors() -> None:
    homes = Counter(order(anchor, replicas(8))[0] for anchor in ANCHORS)
    assert all(count == pytest.approx(len(ANCHORS) / 8, rel=0.1) for count in homes.values())


def test_the_share_of_anchors_is_proportional_to_weight() -> None:
    homes = Counter(order(anchor, replicas(4, r0=0.5, r1=2.0))[0] for anchor in ANCHORS)
    total = 0.5 + 2.0 + 1.0 + 1.0
    for replica, weight in {"r0": 0.5, "r1": 2.0, "r2": 1.0, "r3": 1.0}.items():
        assert homes[replica] == pytest.approx(len(ANCHORS) * weight / total, rel=0.1)


def test_a_rising_weight_only_gains_anchors() -> None:
    """So that during a slow start each anchor moves at most once."""
    previous: set[bytes] = set()
    for weight in (0.2, 0.4, 0.6, 0.8, 1.0):
        mine = {anchor for anchor in ANCHORS[:3000] if order(anchor, replicas(4, r3=weight))[0] == "r3"}
        assert previous <= mine
        previous = mine


def test_the_second_place_is_spread_over_the_others() -> None:
    seconds = Counter(ranked[1] for anchor in ANCHORS if (ranked := order(anchor, replicas(5)))[0] == "r0")
    assert len(seconds) == 4
    assert max(seconds.values()) < 1.15 * sum(seconds.values()) / 4


def test_a_replica_of_weight_zero_comes_last() -> None:
    assert all(order(anchor, replicas(4, r2=0.0))[-1] == "r2" for anchor in ANCHORS[:200])


def test_orders_do_not_change_between_versions() -> None:
    """Gateways of two versions serve side by side during an update; an order that differs would double every prefix."""
    assert order(b"\x01" * 16, replicas(5)) == ["r3", "r1", "r4", "r2", "r0"]
    assert order(b"\x02" * 16, replicas(5)) == ["r4", "r1", "r0", "r3", "r2"]
