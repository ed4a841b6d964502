"""From the session to the call, one event at a time."""

from __future__ import annotations

import asyncio

from cluster.edges.grpc.realtime.handoff import Handoff


async def waits(work: asyncio.Task[None]) -> bool:
    for _ in range(3):
        await asyncio.sleep(0)
    return not work.done()


async def test_maker_waits_until_the_one_before_was_taken() -> None:
    handoff: Handoff[str] = Handoff()
    await handoff.put("first")
    second = asyncio.create_task(handoff.put("second"))
    assert await waits(second)
    assert await handoff.take() == "first"
    await second
    assert await handoff.take() == "second"


async def test_taker_waits_for_the_maker() -> None:
    handoff: Handoff[str] = Handoff()
    taking = asyncio.create_task(handoff.take())
    await asyncio.sleep(0)
    await handoff.put("late")
    assert await taking == "late"


async def test_what_is_held_at_the_end_is_still_taken() -> None:
    handoff: Handoff[str] = Handoff()
    await handoff.put("last")
    handoff.end()
    assert [await handoff.take(), await handoff.take(), await handoff.take()] == ["last", None, None]


async def test_end_wakes_a_taker() -> None:
    handoff: Handoff[str] = Handoff()
    taking = asyncio.create_task(handoff.take())
    await asyncio.sleep(0)
    handoff.end()
    assert await taking is None


async def test_maker_that_gives_up_has_put_nothing() -> None:
    handoff: Handoff[str] = Handoff()
    await handoff.put("first")
    given_up = asyncio.create_task(handoff.put("second"))
    assert await waits(given_up)
    given_up.cancel()
    await asyncio.wait([given_up])
    assert await handoff.take() == "first"
    handoff.end()
    assert await handoff.take() is None
