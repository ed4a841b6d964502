"""Work that a process does again and again, beside others that do the same."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from cluster.errors import StoreUnavailable

logger = logging.getLogger(__name__)


class Periodic:
    """Calls ``work`` about every ``interval_s`` seconds until closed. ``work`` must be safe in several processes at once."""

    def __init__(self, name: str, interval_s: float, work: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Break off what is being done and end. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            # Gateways that started together shall not all come at the same moment.
            await asyncio.sleep(self._interval_s * random.uniform(0.75, 1.25))
            try:
                await self._work()
            except StoreUnavailable as error:
                logger.warning("%s: %s", self._name, error.message)
            except Exception:
                # A defect; the next round must have its chance.
                logger.exception("%s failed", self._name)
