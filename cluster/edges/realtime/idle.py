"""A limit for waits that come fifty times a second, each of which is far shorter than it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class IdleTimeout:
    """Ends a wait of more than ``seconds``. One timer in that time, however many waits; of one task, one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since_s = 0.0
        self._waiting: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Raises ``TimeoutError``."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._since_s, self._waiting = loop.time(), task
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # As asyncio.timeout does: somebody else's cancellation goes on, ours becomes a TimeoutError.
            if self._expired and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def stop(self) -> None:
        """No wait will follow."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        loop = asyncio.get_running_loop()
        rest_s = self._since_s + self._seconds - loop.time()
        if rest_s > 0:
            self._timer = loop.call_later(rest_s, self._look)
        else:
            self._expired = True
            self._waiting.cancel()
