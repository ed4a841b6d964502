from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.bounded_load import split_by_load
from cluster.routing.policy import Candidate


def candidates(*loads: float, weights: tuple[float, ...] | None = None) -> list[Candidate]:
    return [Candidate(f"r{number}", load=load, weight=weights[number] if weights else 1.0) for number, load in enumerate(loads)]


def eligible(order: list[Candidate], load_factor: float = 1.25) -> list[str]:
    return [candidate.replica_id for candidate in split_by_load(order, load_factor)[0]]


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ((0, 0, 0), ["r0", "r1", "r2"]),
        ((1, 0, 0), ["r0", "r1", "r2"]),  # below a mean of one, one request is never too much
        ((2, 0, 0), ["r1", "r2"]),
        ((10, 8, 6), ["r0", "r1", "r2"]),  # mean 8, bound 10
        ((11, 8, 5), ["r1", "r2"]),
        ((100, 1, 1), ["r1", "r2"]),
    ],
)
def test_a_replica_is_eligible_up_to_the_factor_times_the_mean_or_one(loads: tuple[float, ...], expected: list[str]) -> None:
    assert eligible(candidates(*loads)) == expected


def test_a_replica_that_warms_up_is_held_to_its_smaller_share() -> None:
    """Shares are 10 and 2 at weights 1 and 0.2, so bounds are 12.5 and 2.5."""
    weights = (1.0, 1.0, 0.2)
    assert eligible(candidates(10, 9, 3, weights=weights)) == ["r0", "r1"]
    assert eligible(candidates(10, 10, 2, weights=weights)) == ["r0", "r1", "r2"]


def test_a_draining_replica_is_never_eligible() -> None:
    assert eligible(candidates(5, 0, weights=(1.0, 0.0))) == ["r0"]
    assert eligible(candidates(0, 0, weights=(0.0, 0.0))) == []


LOADS = st.lists(st.tuples(st.integers(0, 200), st.floats(0.01, 2.0)), min_size=1, max_size=20)


@settings(deadline=None)
@given(LOADS, st.floats(1.0, 4.0))
def test_someone_is_always_eligible_and_nobody_is_lost(loads: list[tuple[int, float]], load_factor: float) -> None:
    order = candidates(*(load for load, _ in loads), weights=tuple(weight for _, weight in loads))
    fits, overloaded = split_by_load(order, load_factor)
    assert fits
    assert sorted([*fits, *overloaded], key=order.index) == order
    assert [fits, overloaded] == [[c for c in order if c in fits], [c for c in order if c in overloaded]]
