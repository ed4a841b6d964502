"""Merging of frames between engine and consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cluster.engine.coalesce import coalesced
from cluster.engine.contract import EngineTiming, EngineUsage, Fault, FaultKind, Frame

USAGE = EngineUsage(prompt_tokens=3, completion_tokens=4)
TIMING = EngineTiming(queue_s=0.1, prefill_s=0.2)


class Source:
    """Frames by hand: ``taken`` counts how many the consumer side has pulled."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Frame | Exception] = asyncio.Queue()
        self.taken = 0
        self.closed = False

    async def frames(self) -> AsyncGenerator[Frame, None]:
        try:
            while True:
                item = await self.queue.get()
                if isinstance(item, Exception):
                    raise item
                self.taken += 1
                yield item
                if item.last:
                    return
        finally:
            self.closed = True

    def put(self, *texts: str) -> None:
        for text in texts:
            self.queue.put_nowait(Frame(payloads=[text.encode()]))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_first_frame_passes_at_once_and_later_ones_are_merged() -> None:
    source = Source()
    stream = coalesced(source.frames(), 1000)
    source.put("a")
    assert (await anext(stream)).payloads == [b"a"]
    source.put("b", "c", "d")
    await settle()
    assert (await anext(stream)).payloads == [b"b", b"c", b"d"]
    await stream.aclose()


async def test_a_consumer_that_keeps_up_gets_every_frame_alone() -> None:
    source = Source()
    stream = coalesced(source.frames(), 1000)
    for text in "abc":
        source.put(text)
        assert (await anext(stream)).payloads == [text.encode()]
    await stream.aclose()


async def test_the_last_frame_keeps_usage_and_timing_and_what_waited_before_it() -> None:
    source = Source()
    stream = coalesced(source.frames(), 1000)
    source.put("a", "b")
    source.queue.put_nowait(Frame(usage=USAGE, timing=TIMING))
    await settle()
    assert [frame async for frame in stream] == [Frame(payloads=[b"a", b"b"], usage=USAGE, timing=TIMING)]
    assert source.closed


async def test_a_fault_ends_the_stream() -> None:
    source = Source()
    stream = coalesced(source.frames(), 1000)
    fault = Fault(FaultKind.ENGINE_DEAD, "gone")
    source.queue.put_nowait(Frame(fault=fault))
    assert [frame.fault async for frame in stream] == [fault]


async def test_nothing_is_pulled_while_more_than_the_bound_waits() -> None:
    source = Source()
    stream = coalesced(source.frames(), 10)
    source.put("x")
    await anext(stream)
    source.put(*["12345"] * 50)
    await settle()
    assert source.taken == 1 + 3, "15 bytes are over the bound of 10; the fourth must wait"
    assert len((await anext(stream)).payloads) == 3
    await settle()
    assert source.taken == 1 + 6
    await stream.aclose()


async def test_closing_the_stream_closes_the_source_even_while_it_is_held_back() -> None:
    source = Source()
    stream = coalesced(source.frames(), 1)
    source.put("aa", "bb", "cc")
    await anext(stream)
    await settle()
    await stream.aclose()
    assert source.closed


async def test_cancelling_a_waiting_consumer_closes_the_source() -> None:
    source = Source()
    stream = coalesced(source.frames(), 100)
    consumer = asyncio.ensure_future(anext(stream))
    await settle()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert source.closed


async def test_a_failing_source_raises_after_the_frames_before_it() -> None:
    source = Source()
    stream = coalesced(source.frames(), 100)
    source.put("a")
    source.queue.put_nowait(RuntimeError("broken"))
    assert (await anext(stream)).payloads == [b"a"]
    with pytest.raises(RuntimeError, match="broken"):
        await anext(stream)
