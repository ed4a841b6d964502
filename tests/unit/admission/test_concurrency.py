"""The bound on one organization's requests in progress."""

from __future__ import annotations

import asyncio

import pytest

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.errors import RateLimited


def test_the_request_over_the_limit_is_refused_with_a_wait() -> None:
    limit = ConcurrencyLimit(2)
    limit.acquire("org_a")
    limit.acquire("org_a")
    with pytest.raises(RateLimited) as caught:
        limit.acquire("org_a")
    assert caught.value.status == 429
    assert caught.value.type == "rate_limit_error"
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 0
    assert "2 requests in progress" in caught.value.message
    assert limit.in_progress("org_a") == 2


def test_one_organizations_load_leaves_the_others_alone() -> None:
    limit = ConcurrencyLimit(1)
    limit.acquire("org_a")
    limit.acquire("org_b")
    with pytest.raises(RateLimited):
        limit.acquire("org_a")


def test_a_finished_request_makes_room() -> None:
    limit = ConcurrencyLimit(1)
    for _ in range(3):
        with limit.acquire("org_a"):
            assert limit.in_progress("org_a") == 1
    assert limit.in_progress("org_a") == 0


def test_releasing_twice_frees_one_place() -> None:
    limit = ConcurrencyLimit(2)
    first = limit.acquire("org_a")
    limit.acquire("org_a")
    first.release()
    first.release()
    assert limit.in_progress("org_a") == 1


def test_an_error_inside_frees_the_place() -> None:
    limit = ConcurrencyLimit(1)
    with pytest.raises(RuntimeError), limit.acquire("org_a"):
        raise RuntimeError
    assert limit.in_progress("org_a") == 0


async def test_cancellation_at_any_moment_leaks_nothing() -> None:
    limit = ConcurrencyLimit(8)

    async def request(turns: int) -> None:
        with limit.acquire("org_a"):
            for _ in range(turns):
                await asyncio.sleep(0)

    for turns in range(6):
        tasks = [asyncio.create_task(request(3)) for _ in range(8)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limit.in_progress("org_a") == 0


def test_idle_organizations_take_no_memory() -> None:
    limit = ConcurrencyLimit(1)
    for index in range(10_000):
        limit.acquire(f"org_{index}").release()
    assert limit._in_progress == {}


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ConcurrencyLimit(0)
