from __future__ import annotations

import random

import pytest

from cluster.replay.kv_cache import KvCache


def test_a_prompt_is_found_again_as_far_as_it_was_stored() -> None:
    cache = KvCache(10, 64)
    cache.acquire((1, 2, 3))
    assert cache.matched_tokens((1, 2, 3, 4)) == 3 * 64
    assert cache.matched_tokens((1, 9)) == 64
    assert cache.matched_tokens((9, 2)) == 0


def test_the_least_recently_used_prompt_is_evicted_first_and_from_its_end() -> None:
    cache = KvCache(6, 64)
    for path in ((1, 2, 3), (4, 5, 6), (7,)):
        cache.acquire(path)
        cache.release(path)
    assert cache.matched_tokens((1, 2, 3)) == 2 * 64
    assert cache.matched_tokens((4, 5, 6)) == 3 * 64


def test_blocks_in_use_are_not_evicted() -> None:
    cache = KvCache(4, 64)
    cache.acquire((1, 2), extra_blocks=1)
    assert not cache.fits((3, 4), 0)
    assert cache.fits((1, 2, 3), 0)
    cache.acquire((3,))
    assert cache.matched_tokens((1, 2)) == 2 * 64
    cache.release((1, 2), extra_blocks=1)
    assert cache.fits((5, 6, 7), 0)


def test_with_sliding_windows_hits_end_at_the_interval_or_where_a_prompt_ended() -> None:
    cache = KvCache(100, 64, retention_interval_tokens=256)
    cache.acquire((1, 2, 3, 4, 5, 6))
    assert cache.matched_tokens((1, 2, 3, 4, 5, 9)) == 256
    assert cache.matched_tokens((1, 2, 3, 4, 5, 6, 9)) == 6 * 64
    assert cache.matched_tokens((1, 2, 3, 9)) == 0


def test_with_interval_zero_only_ends_of_prompts_are_hit() -> None:
    cache = KvCache(100, 64, retention_interval_tokens=0)
    cache.acquire((1, 2, 3, 4))
    assert cache.matched_tokens((1, 2, 3, 9)) == 0
    assert cache.matched_tokens((1, 2, 3, 4, 9)) == 4 * 64


def test_books_stay_right_under_random_use() -> None:
    rng = random.Random(5)
    cache = KvCache(40, 16)
    running: list[tuple[tuple[int, ...], int]] = []
    for _ in range(3000):
        if running and (len(running) > 4 or rng.random() < 0.5):
            cache.release(*running.pop(rng.randrange(len(running))))
        else:
            family = rng.randrange(8)
            path = tuple(family * 100 + depth for depth in range(rng.randint(1, 7)))
            extra = rng.randint(0, 3)
            if cache.fits(path, extra):
                cache.acquire(path, extra)
                running.append((path, extra))
        cache.check_integrity()


def test_a_cache_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        KvCache(0, 64)
