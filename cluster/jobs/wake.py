"""Tells those who wait in this process that something has changed, so that they need not poll for what happens beside them."""

from __future__ import annotations

import asyncio
import contextlib
from weakref import WeakValueDictionary

_WAITING = ""


class Wake:
    """Belongs to one event loop. Waking is a hint: whoever waits looks again after its interval anyway."""

    def __init__(self) -> None:
        # A ticket is gone when nobody holds it any more, so that jobs nobody watches take no room.
        self._tickets: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def changed(self, job_id: str) -> None:
        """Wake whoever watches this job."""
        self._wake(job_id)

    def waiting(self) -> None:
        """Wake the worker: a job may be waiting for it, or there is room for one."""
        self._wake(_WAITING)

    def ticket(self, job_id: str = _WAITING) -> asyncio.Event:
        """Taken before one looks, and waited for afterwards: a change in between is not missed. Without an id: the worker's."""
        ticket = self._tickets.get(job_id)
        if ticket is None:
            ticket = self._tickets[job_id] = asyncio.Event()
        return ticket

    def _wake(self, key: str) -> None:
        ticket = self._tickets.pop(key, None)
        if ticket is not None:
            ticket.set()


async def wait(ticket: asyncio.Event, timeout_s: float) -> None:
    """Until it is set, or ``timeout_s`` seconds have passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await ticket.wait()
