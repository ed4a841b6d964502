from __future__ import annotations

import asyncio

import pytest

from cluster.inference.deadline import Deadline


def after(seconds: float) -> Deadline:
    return Deadline(asyncio.get_running_loop().time() + seconds)


async def test_waits_that_end_in_time_are_left_alone() -> None:
    deadline = after(10.0)
    for number in range(3):
        with deadline:
            assert await asyncio.sleep(0, number) == number
    deadline.close()


async def test_a_wait_that_lasts_too_long_is_ended() -> None:
    deadline = after(0.02)
    with pytest.raises(TimeoutError), deadline:
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_no_wait_begins_after_the_deadline() -> None:
    deadline = after(0.01)
    await asyncio.sleep(0.03)
    with pytest.raises(TimeoutError), deadline:
        raise AssertionError("not reached")


async def test_what_fails_in_time_fails_with_its_own_error() -> None:
    deadline = after(10.0)
    with pytest.raises(KeyError), deadline:
        raise KeyError
    deadline.close()


async def test_a_cancellation_from_outside_stays_one() -> None:
    deadline = after(0.02)

    async def wait() -> None:
        with deadline:
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancellation_at_the_same_time_goes_first() -> None:
    deadline = after(0.0)

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(waiting.cancel)
        with deadline:
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_closed_deadline_never_comes() -> None:
    deadline = after(0.01)
    deadline.close()
    deadline.close()
    with deadline:
        await asyncio.sleep(0.03)
