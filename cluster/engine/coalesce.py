"""Frames of an engine, merged for a consumer that is slower than the engine.

The first frame is passed on at once; afterwards the consumer gets, each time it asks, everything that has come since. There is no
timer: a consumer that keeps up gets every frame, one that is behind gets fewer and larger ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from cluster.engine.contract import Frame


async def coalesced(frames: AsyncGenerator[Frame, None], max_buffered_bytes: int) -> AsyncGenerator[Frame, None]:
    """Merge ``frames`` as described above. Closing this generator closes ``frames``.

    While more than ``max_buffered_bytes`` of payload wait, nothing is taken from ``frames``. Raises what ``frames`` raises, after
    the frames before it.
    """
    buffer = _Buffer(max_buffered_bytes)
    pump = asyncio.create_task(buffer.fill(frames))
    try:
        while (frame := await buffer.take()) is not None:
            yield frame
            if frame.last:
                return
        await pump
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):  # raised above already, if it matters
            await pump


class _Buffer:
    """Frames between one task that fills and one that takes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._payloads: list[bytes] = []
        self._size_bytes = 0
        self._last: Frame | None = None
        self._ended = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def fill(self, frames: AsyncGenerator[Frame, None]) -> None:
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    self._payloads += frame.payloads
                    self._size_bytes += sum(map(len, frame.payloads))
                    if frame.last:
                        self._last = frame
                    self._filled.set()
                    if self._size_bytes > self._max_bytes:
                        self._drained.clear()
                        await self._drained.wait()
        finally:
            self._ended = True
            self._filled.set()

    async def take(self) -> Frame | None:
        """Everything since the last call, waiting for something to come; ``None`` at the end."""
        await self._filled.wait()
        self._filled.clear()
        payloads, last = self._payloads, self._last
        if self._ended:
            self._filled.set()
        self._payloads, self._size_bytes, self._last = [], 0, None
        self._drained.set()
        if last is not None:
            return Frame(payloads=payloads, usage=last.usage, timing=last.timing, fault=last.fault)
        return Frame(payloads=payloads) if payloads or not self._ended else None
