"""What every routing policy must do. A new one joins by its name in ``policies.by_name``, other routers' rules by a line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.routing_rules.adapters import KubeaiChwbl, LlmdScorers, RayPrefixAffinity, SglangCacheAware
from cluster.routing.policies import LeastLoaded, PowerOfTwo
from cluster.routing.policies.by_name import NAMES, PolicyOptions, policy_by_name
from cluster.routing.policy import Candidate, Policy
from cluster.routing.ticket import RouteTicket

MakePolicy = Callable[[], Policy]
POLICIES: dict[str, MakePolicy] = {
    **{name: partial(policy_by_name, name, PolicyOptions(index_entries=10_000, seed=1)) for name in NAMES},
    # Other routers' rules, as the replay compares with them.
    "ray_prefix": lambda: RayPrefixAffinity(seed=1),
    "sglang_cache_aware": lambda: SglangCacheAware(seed=1),
    "kubeai_chwbl": lambda: KubeaiChwbl(seed=1),
    "llmd_scorers": lambda: LlmdScorers(seed=1),
}
AFFINE = ["rendezvous", "bounded_hashing", "affinity"]

BOUNDED = ["rendezvous", "bounded_hashing"]

every_policy = pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
affine_policies = pytest.mark.parametrize("make", [POLICIES[name] for name in AFFINE], ids=AFFINE)

bounded_policies = pytest.mark.parametrize("make", [POLICIES[name] for name in BOUNDED], ids=BOUNDED)

anchors = st.one_of(st.just(b""), st.binary(min_size=16, max_size=16))
views = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0.0, 0.2, 0.7, 1.0])), min_size=1, max_size=12)


def candidates(view: Sequence[tuple[float, float]]) -> list[Candidate]:
    return [Candidate(f"r{number}", load=load, weight=weight) for number, (load, weight) in enumerate(view)]


def ticket_of(anchor: bytes, excluded: frozenset[str] = frozenset()) -> RouteTicket:
    """A prompt of one block, whose hash is the anchor."""
    return RouteTicket(anchor=anchor, chain=(anchor,) if anchor else (), prompt_bytes=8000, excluded=excluded)


def idle(count: int) -> list[Candidate]:
    return [Candidate(f"r{number}") for number in range(count)]


def ids(order: Sequence[Candidate]) -> list[str]:
    return [candidate.replica_id for candidate in order]


def spread(count: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(1, count + 1)]


@every_policy
@settings(deadline=None)
@given(anchor=anchors, view=views, excluded=st.sets(st.integers(0, 11)))
def test_each_candidate_comes_once_and_excluded_ones_only_if_there_are_no_others(
    make: MakePolicy, anchor: bytes, view: list[tuple[int, float]], excluded: set[int]
) -> None:
    ticket = ticket_of(anchor, excluded=frozenset(f"r{number}" for number in excluded))
    chosen = ids(make().choose(ticket, candidates(view), 0.0))
    everyone = ids(candidates(view))
    allowed = [replica for replica in everyone if replica not in ticket.excluded]
    assert sorted(chosen) == sorted(allowed or everyone)


@every_policy
@settings(deadline=None)
@given(anchor=anchors, view=views)
def test_the_same_seed_makes_the_same_decisions(make: MakePolicy, anchor: bytes, view: list[tuple[int, float]]) -> None:
    one, other = make(), make()
    for _ in range(5):
        assert ids(one.choose(ticket_of(anchor), candidates(view), 0.0)) == ids(
            other.choose(ticket_of(anchor), candidates(view), 0.0)
        )


@every_policy
@settings(deadline=None)
@given(anchor=anchors, view=views, data=st.data())
def test_the_order_in_which_replicas_are_listed_does_not_matter(
    make: MakePolicy, anchor: bytes, view: list[tuple[int, float]], data: st.DataObject
) -> None:
    listed = candidates(view)
    shuffled = data.draw(st.permutations(listed))
    assert ids(make().choose(ticket_of(anchor), listed, 0.0)) == ids(make().choose(ticket_of(anchor), shuffled, 0.0))


@every_policy
@settings(deadline=None)
@given(anchor=anchors, view=views)
def test_a_draining_replica_comes_after_those_that_take_work(
    make: MakePolicy, anchor: bytes, view: list[tuple[int, float]]
) -> None:
    order = make().choose(ticket_of(anchor), candidates(view), 0.0)
    draining = [candidate.weight == 0.0 for candidate in order]
    assert draining == sorted(draining)


@every_policy
def test_candidates_are_not_changed(make: MakePolicy) -> None:
    listed = candidates([(3, 1.0), (0, 0.2), (7, 1.0)])
    before = [(c.replica_id, c.load, c.weight, c.seed) for c in listed]
    make().choose(RouteTicket(anchor=b"a" * 16), listed, 0.0)
    assert [(c.replica_id, c.load, c.weight, c.seed) for c in listed] == before


@every_policy
def test_idle_replicas_get_equal_parts_of_requests(make: MakePolicy) -> None:
    policy = make()
    firsts = Counter(policy.choose(ticket_of(anchor), idle(4), 0.0)[0].replica_id for anchor in spread(4000))
    assert len(firsts) == 4
    assert all(count == pytest.approx(1000, rel=0.15) for count in firsts.values())


@every_policy
def test_requests_without_an_anchor_get_equal_parts_too(make: MakePolicy) -> None:
    policy = make()
    firsts = Counter(policy.choose(RouteTicket(), idle(4), 0.0)[0].replica_id for _ in range(4000))
    assert all(firsts[f"r{number}"] == pytest.approx(1000, rel=0.15) for number in range(4))


@affine_policies
@settings(deadline=None)
@given(anchor=st.binary(min_size=16, max_size=16), count=st.integers(1, 12))
def test_an_anchor_always_has_the_same_home_order(make: MakePolicy, anchor: bytes, count: int) -> None:
    ticket = ticket_of(anchor)
    order = ids(make().choose(ticket, idle(count), 0.0))
    assert order == list(ticket.home_order)
    assert order == ids(make().choose(ticket_of(anchor), idle(count), 99.0))


@affine_policies
@settings(deadline=None)
@given(count=st.integers(2, 10), gone=st.integers(0, 9))
def test_when_a_replica_leaves_only_its_own_anchors_move(make: MakePolicy, count: int, gone: int) -> None:
    policy = make()
    left = f"r{gone % count}"
    for anchor in spread(60):
        before = policy.choose(ticket_of(anchor), idle(count), 0.0)[0].replica_id
        after = policy.choose(ticket_of(anchor), [c for c in idle(count) if c.replica_id != left], 0.0)[0].replica_id
        assert before in (after, left)


@affine_policies
@pytest.mark.parametrize("count", [1, 3, 7, 15])
def test_when_a_replica_joins_it_takes_its_part_of_anchors_and_no_other_moves(make: MakePolicy, count: int) -> None:
    policy = make()
    moved = 0
    for anchor in spread(4000):
        before = policy.choose(ticket_of(anchor), idle(count), 0.0)[0].replica_id
        after = policy.choose(ticket_of(anchor), idle(count + 1), 0.0)[0].replica_id
        assert after in (before, f"r{count}")
        moved += before != after
    assert moved == pytest.approx(4000 / (count + 1), rel=0.15)


@bounded_policies
@settings(deadline=None)
@given(anchor=st.binary(min_size=16, max_size=16), loads=st.lists(st.integers(0, 40), min_size=2, max_size=10))
def test_overload_moves_replicas_back_without_reordering_the_rest(make: MakePolicy, anchor: bytes, loads: list[int]) -> None:
    ticket = ticket_of(anchor)
    chosen = ids(make().choose(ticket, candidates([(load, 1.0) for load in loads]), 0.0))
    bound = 1.25 * max(sum(loads) / len(loads), 1.0)
    fits = [replica for replica in ticket.home_order if loads[int(replica[1:])] <= bound]
    assert chosen == fits + [replica for replica in ticket.home_order if replica not in fits]


@affine_policies
def test_a_hot_anchor_spills_to_the_same_second_home_every_time(make: MakePolicy) -> None:
    policy = make()
    ticket = ticket_of(b"hot" + bytes(13))
    policy.choose(ticket, idle(5), 0.0)
    home, second = ticket.home_order[:2]
    for load in (3, 10, 50):
        busy = [Candidate(f"r{n}", load=load if f"r{n}" == home else 0) for n in range(5)]
        assert policy.choose(ticket_of(ticket.anchor), busy, 0.0)[0].replica_id == second


def test_least_loaded_counts_load_by_weight() -> None:
    view = [Candidate("warm", load=3), Candidate("warming", load=1, weight=0.25), Candidate("busy", load=9)]
    assert ids(LeastLoaded(seed=1).choose(RouteTicket(), view, 0.0)) == ["warm", "warming", "busy"]


def test_power_of_two_prefers_the_less_loaded_of_two() -> None:
    policy = PowerOfTwo(seed=1)
    view = [Candidate("idle"), Candidate("busy-1", load=5), Candidate("busy-2", load=5)]
    firsts = Counter(policy.choose(RouteTicket(), view, 0.0)[0].replica_id for _ in range(3000))
    assert firsts["idle"] == pytest.approx(2000, rel=0.1)  # it is among two of three in two cases of three
