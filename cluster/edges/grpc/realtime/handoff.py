"""One thing at a time from a task that makes them to one that takes them."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Handoff(Generic[T]):
    """Whoever makes waits until the one before was taken, so that a slow taker slows it. One maker, one taker, one event loop."""

    def __init__(self) -> None:
        self._held: T | None = None
        self._ended = False
        self._filled = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    async def put(self, thing: T) -> None:
        """Returns when there is room for it, not when it is taken. Nothing may be put after the end."""
        await self._free.wait()
        self._held = thing
        self._free.clear()
        self._filled.set()

    async def take(self) -> T | None:
        """The next one; ``None`` at the end."""
        if self._held is None and not self._ended:
            self._filled.clear()
            await self._filled.wait()
        taken, self._held = self._held, None
        self._free.set()
        return taken

    def end(self) -> None:
        """What is held can still be taken; nothing comes after it."""
        self._ended = True
        self._filled.set()
