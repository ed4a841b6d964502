"""A request's deadline: one timer for all the waiting that is done for it."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """Guards each wait for an answer: ``with deadline: await …`` raises ``TimeoutError`` when the time has come or had come before.

    ``asyncio.timeout_at`` does the same for one wait, with a timer of its own; an answer has a wait for each token. One task at a
    time may be inside. :meth:`close` has to be called at the end.
    """

    def __init__(self, when: float) -> None:
        """``when``: a time of the running event loop's clock, in seconds."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(when, self._expire)
        self._waiting: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._cancelled = False
        self._passed = False

    def close(self) -> None:
        """Nothing is awaited any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        if self._passed:
            raise TimeoutError
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._waiting, self._cancelling = task, task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        task, self._waiting = self._waiting, None
        if self._cancelled and task is not None:
            self._cancelled = False
            # Somebody else may have cancelled the task as well; that goes first.
            if task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
                raise TimeoutError from error

    def _expire(self) -> None:
        self._passed = True
        if self._waiting is not None:
            self._cancelled = True
            self._waiting.cancel()
