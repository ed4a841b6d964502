"""What waits for a slow client, and what that holds back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from cluster.realtime.driver.outbox import Outbox
from cluster.realtime.protocol import server_events as events


def sound(response_id: str, size: int = 10_000) -> events.AudioDelta:
    return events.AudioDelta(event_id="e", response_id=response_id, output_index=0, item_id="i", content_index=0, delta=bytes(size))


async def waits(work: Awaitable[None]) -> bool:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = not task.done()
    task.cancel()
    return waiting


async def test_events_come_out_in_order_and_the_rest_before_the_end() -> None:
    outbox = Outbox(1 << 20)
    first, second = events.InputAudioCleared(event_id="1"), events.InputAudioCleared(event_id="2")
    outbox.put(first)
    outbox.put(second)
    outbox.close()
    outbox.put(first)
    assert [await outbox.take(), await outbox.take(), await outbox.take()] == [first, second, None]


async def test_full_outbox_holds_work_back_and_only_an_overfull_one_the_client() -> None:
    outbox = Outbox(30_000)
    for _ in range(3):
        outbox.put(sound("a"))
    assert await waits(outbox.room())
    assert not await waits(outbox.any_room())
    for _ in range(9):
        outbox.put(sound("a"))
    assert await waits(outbox.any_room())
    for _ in range(12):
        await outbox.take()
    assert not await waits(outbox.room())
    assert not await waits(outbox.any_room())
    assert outbox.held_bytes == 0


async def test_dropped_audio_makes_room_and_leaves_all_else() -> None:
    outbox = Outbox(30_000)
    for response_id in ("a", "b", "a", "a"):
        outbox.put(sound(response_id))
    outbox.put(events.InputAudioCleared(event_id="1"))
    outbox.drop_audio("a")
    assert not await waits(outbox.room())
    outbox.close()
    kept = [await outbox.take(), await outbox.take(), await outbox.take()]
    assert [type(event) for event in kept] == [events.AudioDelta, events.InputAudioCleared, type(None)]
    assert isinstance(kept[0], events.AudioDelta)
    assert kept[0].response_id == "b"


async def test_close_wakes_whoever_waits() -> None:
    outbox = Outbox(10)
    outbox.put(sound("a"))
    room, taking = asyncio.ensure_future(outbox.room()), asyncio.ensure_future(outbox.any_room())
    await asyncio.sleep(0)
    outbox.close()
    async with asyncio.timeout(1):
        await asyncio.gather(room, taking)


@pytest.mark.parametrize("kept", [True, False])
async def test_only_audio_counts_by_its_size(kept: bool) -> None:
    outbox = Outbox(1 << 20)
    outbox.put(sound("a", 5000) if kept else events.InputAudioCleared(event_id="1"))
    assert (outbox.held_bytes > 5000) is kept
