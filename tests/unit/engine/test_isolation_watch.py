"""The isolation watch: finds foreign cache hits, never cries wolf, stays small."""

from __future__ import annotations

import random

import pytest

from cluster.engine.bloom import BloomFilter
from cluster.engine.isolation_watch import ROTATION_S, IsolationWatch

HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> IsolationWatch:
    return IsolationWatch(clock=clock, capacity=10_000)


def run(watch: IsolationWatch, org: str, salt: str, cached: int, *, alone: bool = True) -> bool:
    return watch.end(watch.begin(org, salt, alone=alone), cached)


def test_first_request_of_a_pair_that_finds_cached_tokens_is_a_hit(watch: IsolationWatch) -> None:
    assert run(watch, "a", "salt", 64)


def test_first_request_without_cached_tokens_is_no_hit_and_later_ones_are_never_judged(watch: IsolationWatch) -> None:
    assert not run(watch, "a", "salt", 0)
    assert not run(watch, "a", "salt", 4096)


def test_another_organization_with_the_same_salt_is_a_pair_of_its_own(watch: IsolationWatch) -> None:
    run(watch, "a", "salt", 0)
    assert run(watch, "b", "salt", 32)


def test_organization_and_salt_can_not_be_shifted_into_each_other(watch: IsolationWatch) -> None:
    run(watch, "ab", "c", 0)
    assert run(watch, "a", "bc", 32)


def test_of_two_first_requests_at_the_same_time_neither_raises_an_alarm(watch: IsolationWatch) -> None:
    first = watch.begin("a", "salt")
    second = watch.begin("a", "salt")
    assert not watch.end(second, 512), "the pair was seen when it started"
    assert not watch.end(first, 512), "the engine may have run the second one earlier"


def test_a_request_of_several_sequences_marks_its_pair_but_is_not_judged(watch: IsolationWatch) -> None:
    assert not run(watch, "a", "salt", 64, alone=False)
    assert not run(watch, "a", "salt", 64)


def test_a_first_request_that_is_aborted_still_counts_as_seen(watch: IsolationWatch) -> None:
    watch.drop(watch.begin("a", "salt"))
    assert not run(watch, "a", "salt", 64)


def test_a_pair_is_remembered_for_a_whole_retention_period_across_a_rotation(watch: IsolationWatch, clock: Clock) -> None:
    clock.now_s = ROTATION_S - 1
    run(watch, "a", "salt", 0)
    for passed_h in range(1, 25):
        clock.now_s = ROTATION_S - 1 + passed_h * HOUR_S
        run(watch, f"other-{passed_h}", "salt", 0)
    assert not run(watch, "a", "salt", 64)


def test_every_use_prolongs_the_memory_of_a_pair(watch: IsolationWatch, clock: Clock) -> None:
    for day in range(10):
        clock.now_s = day * 24 * HOUR_S
        assert not run(watch, "a", "salt", 64 if day else 0)


def test_a_pair_that_was_silent_for_two_rotations_is_judged_again(watch: IsolationWatch, clock: Clock) -> None:
    run(watch, "a", "salt", 0)
    clock.now_s = ROTATION_S + 1
    run(watch, "b", "salt", 0)
    clock.now_s = 2 * ROTATION_S + 2
    assert run(watch, "a", "salt", 64)


def test_memory_is_bounded_whatever_passes_through(clock: Clock) -> None:
    watch = IsolationWatch(clock=clock, capacity=1000)
    before = watch.size_bytes
    for number in range(20_000):
        run(watch, f"org-{number}", "salt", 0)
    assert watch.size_bytes == before < 5000
    assert not watch._first, "requests that have ended leave nothing behind"


def test_no_false_alarm_over_random_histories(clock: Clock) -> None:
    """The model: a request hits only if the same pair ran within a retention period. Such a history must raise nothing."""
    rng = random.Random(7)
    watch = IsolationWatch(clock=clock, capacity=5000)
    ran_at_s: dict[tuple[str, str], float] = {}
    for _ in range(20_000):
        clock.now_s += rng.expovariate(1 / 60.0)
        pair = (f"org-{rng.randrange(40)}", f"salt-{rng.randrange(20)}")
        last_s = ran_at_s.get(pair)
        own = last_s is not None and clock.now_s - last_s <= 24 * HOUR_S
        assert not run(watch, *pair, cached=1024 if own else 0)
        ran_at_s[pair] = clock.now_s


def test_bloom_filter_never_forgets_and_rarely_invents() -> None:
    bloom = BloomFilter(10_000, 0.01)
    for number in range(10_000):
        bloom.add(f"in-{number}".encode())
    assert all(f"in-{number}".encode() in bloom for number in range(10_000))
    invented = sum(f"out-{number}".encode() in bloom for number in range(10_000))
    assert invented < 200, "1 % false positives, twice that allowed"


def test_bloom_filter_refuses_a_size_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="capacity"):
        BloomFilter(0, 0.01)
    with pytest.raises(ValueError, match="error_rate"):
        BloomFilter(10, 1.0)
