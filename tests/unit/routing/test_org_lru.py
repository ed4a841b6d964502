from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.routing.org_lru import OrgLru


def path(name: str, length: int) -> list[tuple[bytes, str]]:
    return [(f"{name}/{depth}".encode(), f"{name}{depth}") for depth in range(length)]


def keys(name: str, length: int) -> list[bytes]:
    return [key for key, _ in path(name, length)]


def test_leading_stops_at_the_first_missing_key() -> None:
    lru: OrgLru[str] = OrgLru(10)
    lru.add("a", [path("p", 4)[0], path("p", 4)[1], path("p", 4)[3]])
    assert lru.leading("a", keys("p", 4)) == ["p0", "p1"]
    assert lru.leading("b", keys("p", 4)) == []


def test_the_deep_end_of_the_oldest_path_goes_first() -> None:
    lru: OrgLru[str] = OrgLru(6)
    lru.add("a", path("old", 3))
    lru.add("a", path("new", 3))
    lru.add("a", path("x", 2))
    assert lru.leading("a", keys("old", 3)) == ["old0"]
    assert lru.leading("a", keys("new", 3)) == ["new0", "new1", "new2"]


def test_reading_a_path_keeps_it() -> None:
    lru: OrgLru[str] = OrgLru(6)
    lru.add("a", path("one", 3))
    lru.add("a", path("two", 3))
    lru.leading("a", keys("one", 3))
    lru.add("a", path("x", 3))
    assert len(lru.leading("a", keys("one", 3))) == 3
    assert lru.leading("a", keys("two", 3)) == []


def test_one_organization_cannot_push_out_another_below_its_share() -> None:
    lru: OrgLru[str] = OrgLru(100)
    for org in ("b", "c", "d"):
        lru.add(org, path("p", 25))
    for flood in range(200):
        lru.add("a", path(f"flood{flood}", 40))
    for org in ("b", "c", "d"):
        assert len(lru.leading(org, keys("p", 25))) == 25
    assert lru.count("a") == 25
    assert len(lru) == 100


def test_a_lone_organization_may_use_everything_until_others_come() -> None:
    lru: OrgLru[str] = OrgLru(90)
    lru.add("a", path("p", 90))
    assert lru.count("a") == 90
    lru.add("b", path("p", 60))
    lru.add("c", path("p", 60))
    assert (lru.count("a"), lru.count("b"), lru.count("c")) == (30, 30, 30)


def test_what_several_hold_above_their_share_goes_before_anything_of_the_others() -> None:
    gone: list[bytes] = []
    lru: OrgLru[str] = OrgLru(90, gone.append)
    lru.add("small", path("s", 10))
    lru.add("a", path("a", 40))
    lru.add("b", path("b", 40))
    lru.add("c", path("c", 60))
    assert len(lru) == 90
    assert lru.count("small") == 10
    assert len(gone) == 60
    assert lru.count("a") >= 90 // 4
    assert lru.count("b") >= 90 // 4
    lru.check_integrity()


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        OrgLru(0)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["p", "q", "r", "s"]), st.integers(1, 9), st.booleans()), max_size=60
)


@settings(deadline=None)
@given(st.integers(1, 20), OPERATIONS)
def test_the_books_are_right_after_any_operations(capacity: int, operations: list[tuple[str, str, int, bool]]) -> None:
    lru: OrgLru[str] = OrgLru(capacity)
    for org, name, length, read in operations:
        if read:
            assert lru.leading(org, keys(name, length)) == [f"{name}{i}" for i in range(len(lru.leading(org, keys(name, length))))]
        else:
            lru.add(org, path(name, length))
        lru.check_integrity()
