"""A caller made of a flite voice: speaks in real time, as a microphone does, whatever carries its audio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cluster.speech.contract import Synthesizer

PIECE_MS = 20
_BYTES_PER_MS = 48


async def spoken(synthesizer: Synthesizer, text: str, voice: str = "echo") -> bytes:
    """``text`` as PCM at 24 kHz."""
    return b"".join([chunk.pcm async for chunk in synthesizer.speak(text, voice=voice)])


@dataclass
class Caller:
    """``send``: takes 20 ms of PCM at a time. Silence is sent while nothing is said. ``said_at``: when the last words ended."""

    send: Callable[[bytes], Awaitable[None]]
    said_at: float = 0.0
    _waiting: bytearray = field(default_factory=bytearray)

    def say(self, pcm: bytes) -> None:
        self._waiting += pcm

    async def microphone(self) -> None:
        """Never ends by itself."""
        size, due = _BYTES_PER_MS * PIECE_MS, time.monotonic()
        while True:
            piece = bytes(self._waiting[:size])
            del self._waiting[:size]
            await self.send(piece.ljust(size, b"\0"))
            if piece and not self._waiting:
                self.said_at = time.monotonic()
            due += PIECE_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))
