"""The bounded memory of keys."""

from __future__ import annotations

from cluster.identity.cache import KeyCache
from cluster.identity.principal import Principal


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def principal(name: str) -> Principal:
    return Principal("org_1", "proj_1", f"key_{name}")


def test_the_least_recently_used_key_goes_first() -> None:
    cache = KeyCache(2, 10, 5.0, Clock())
    cache.put(b"a", principal("a"))
    cache.put(b"b", principal("b"))
    assert cache.get(b"a") == principal("a")
    cache.put(b"c", principal("c"))
    assert cache.get(b"b") is None
    assert (cache.get(b"a"), cache.get(b"c")) == (principal("a"), principal("c"))


def test_unknown_keys_are_bounded_and_push_out_no_known_one() -> None:
    cache = KeyCache(2, 3, 5.0, Clock())
    cache.put(b"a", principal("a"))
    for index in range(1000):
        cache.put_unknown(index.to_bytes(4, "big"))
    assert len(cache) == 1 + 3
    assert cache.get(b"a") == principal("a")
    assert cache.is_unknown((999).to_bytes(4, "big"))
    assert not cache.is_unknown((0).to_bytes(4, "big"))


def test_an_unknown_key_is_asked_for_again_after_a_while() -> None:
    clock = Clock()
    cache = KeyCache(2, 3, 5.0, clock)
    cache.put_unknown(b"x")
    clock.now_s = 4.9
    assert cache.is_unknown(b"x")
    clock.now_s = 5.0
    assert not cache.is_unknown(b"x")


def test_a_key_that_has_come_into_being_is_unknown_no_more() -> None:
    cache = KeyCache(2, 3, 5.0, Clock())
    cache.put_unknown(b"x")
    cache.put(b"x", principal("x"))
    assert not cache.is_unknown(b"x")


def test_evicted_and_cleared_keys_are_gone() -> None:
    cache = KeyCache(10, 10, 5.0, Clock())
    for name in "abc":
        cache.put(name.encode(), principal(name))
    cache.put_unknown(b"x")
    cache.evict([b"a", b"never there"])
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None
    cache.clear()
    assert len(cache) == 0
