"""How long a stream waits for a client that takes nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from cluster.errors import RequestTimeout, first_count


class ReaderPatience:
    """Guards each message that is handed out: ``with patience: yield message``.

    A stalled reader holds the generator at its ``yield``, where nothing can be raised into it. So when ``timeout_s`` seconds have
    passed ``give_up`` frees what the call holds, at once and once, and the reader finds an error if it ever comes back.
    """

    def __init__(self, timeout_s: float, give_up: Callable[[], Awaitable[None]]) -> None:
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._lose)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._timer is not None
        self._timer.cancel()
        if self._giving_up is not None and error is None:
            late = RequestTimeout(f"The client took nothing of the answer for {self._timeout_s:g} s, so it was given up.")
            first_count(late)  # giving up has booked the request already
            raise late

    def _lose(self) -> None:
        async def give_up() -> None:
            await self._give_up()

        # Kept here, since the loop alone would not keep it alive.
        self._giving_up = asyncio.get_running_loop().create_task(give_up())
