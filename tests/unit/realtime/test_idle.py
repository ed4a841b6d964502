"""The limit for waits: what it ends, what it leaves alone, what it costs."""

from __future__ import annotations

import asyncio

import pytest

from cluster.edges.realtime.idle import IdleTimeout


async def test_a_wait_that_lasts_too_long_ends() -> None:
    idle = IdleTimeout(0.05)
    with pytest.raises(TimeoutError):
        await idle.wait(asyncio.Event().wait())
    # Nothing of it is left in the task.
    await asyncio.sleep(0)


async def test_many_short_waits_never_end_it_and_share_a_timer() -> None:
    idle = IdleTimeout(0.2)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + 0.5
    timers = set()
    while loop.time() < until_s:
        assert await idle.wait(asyncio.sleep(0.01, "heard")) == "heard"
        timers.add(id(idle._timer))
    assert len(timers) <= 4
    with pytest.raises(TimeoutError):
        await idle.wait(asyncio.Event().wait())


async def test_time_between_waits_does_not_count() -> None:
    idle = IdleTimeout(0.05)
    await idle.wait(asyncio.sleep(0))
    await asyncio.sleep(0.1)
    assert await idle.wait(asyncio.sleep(0.01, "heard")) == "heard"


async def test_somebody_elses_cancellation_goes_on() -> None:
    idle = IdleTimeout(10.0)
    task = asyncio.create_task(idle.wait(asyncio.Event().wait()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stopped_one_leaves_no_timer() -> None:
    idle = IdleTimeout(10.0)
    await idle.wait(asyncio.sleep(0))
    timer = idle._timer
    idle.stop()
    assert timer is not None
    assert timer.cancelled()
