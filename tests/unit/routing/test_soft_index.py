from __future__ import annotations

from cluster.routing.hearsay import Hearsay
from cluster.routing.prefix_index import Held
from cluster.routing.soft_index import SoftIndex


def chain(*names: int) -> tuple[bytes, ...]:
    return tuple(name.to_bytes(16, "big") for name in names)


def test_each_replica_is_found_as_deep_as_it_goes() -> None:
    index = SoftIndex(1000)
    index.add("org", chain(1, 2, 3), "a", 10.0)
    index.add("org", chain(1, 2, 9), "b", 20.0)
    assert index.lookup("org", chain(1, 2, 3, 4), 25.0) == {"a": Held(3, 15.0), "b": Held(2, 5.0)}
    assert index.lookup("org", chain(7), 25.0) == {}


def test_organizations_do_not_see_each_other() -> None:
    index = SoftIndex(1000)
    index.add("one", chain(1, 2), "a", 0.0)
    assert index.lookup("other", chain(1, 2), 0.0) == {}


def test_what_was_never_computed_is_taken_back_for_that_replica_alone() -> None:
    index = SoftIndex(1000)
    index.add("org", chain(1, 2, 3), "a", 0.0)
    index.add("org", chain(1, 2, 3), "b", 0.0)
    index.truncate("org", chain(1, 2, 3), "a", 1)
    assert {replica: held.depth for replica, held in index.lookup("org", chain(1, 2, 3), 0.0).items()} == {"a": 1, "b": 3}


def test_a_replica_that_is_gone_is_forgotten_and_its_place_used_again() -> None:
    index = SoftIndex(1000)
    index.add("org", chain(1, 2), "a", 0.0)
    index.forget("a")
    index.add("org", chain(5), "b", 0.0)
    assert index.lookup("org", chain(1, 2), 0.0) == {}
    assert set(index.lookup("org", chain(5), 0.0)) == {"b"}


def test_memory_is_bounded_and_no_organization_can_push_out_one_within_its_share() -> None:
    index = SoftIndex(100)
    index.add("small", chain(1, 2, 3), "a", 0.0)
    for number in range(100, 2000, 10):
        index.add("large", chain(*range(number, number + 10)), "a", 0.0)
    assert index.entries <= 100
    assert index.lookup("small", chain(1, 2, 3), 0.0)["a"].depth == 3


def test_the_deepest_mark_says_who_was_given_a_prompt_last() -> None:
    hearsay = Hearsay(100)
    hearsay.add(chain(1, 2, 4), "a", 0.0)
    hearsay.add(chain(1), "b", 5.0)
    assert hearsay.lookup(chain(1, 2, 3, 4, 5), 6.0) == {"a": Held(4, 6.0)}
    assert hearsay.lookup(chain(1, 7), 6.0) == {"b": Held(1, 1.0), "a": Held(1, 6.0)}
    assert hearsay.lookup(chain(8), 6.0) == {}
    hearsay.forget("a")
    assert hearsay.lookup(chain(1, 2, 3, 4, 5), 6.0) == {"b": Held(1, 1.0)}
    hearsay.forget("b")
    assert len(hearsay) == 0


def test_the_two_that_told_last_of_a_mark_are_remembered() -> None:
    hearsay = Hearsay(100)
    for second, replica_id in enumerate(("a", "b", "a", "a", "c")):
        hearsay.add(chain(1), replica_id, float(second))
    assert hearsay.lookup(chain(1), 5.0) == {"c": Held(1, 1.0), "a": Held(1, 2.0)}


def test_marks_are_bounded() -> None:
    hearsay = Hearsay(10)
    hearsay.add(chain(*range(100)), "a", 0.0)
    assert len(hearsay) == 10
