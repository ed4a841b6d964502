"""Rows of the ledger that could not be written when their requests ended: kept in memory until the database is there again.

They are lost with their process alone; each is in its log, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from cluster.errors import StoreUnavailable

logger = logging.getLogger(__name__)

MAX_BATCH = 500
"""Rows that are tried in one transaction, at most: half as many after each failure, twice as many after each success."""

RETRY_S = 2.0
"""Between two tries, in seconds."""

_Entry = TypeVar("_Entry")


class LateEntries(Generic[_Entry]):
    """Tries again every ``RETRY_S`` while there are any. Belongs to one event loop."""

    def __init__(
        self,
        write: Callable[[Sequence[_Entry]], Awaitable[None]],
        limit: int,
        on_waiting: Callable[[int], None],
        retry_s: float = RETRY_S,
    ) -> None:
        """``write``: all of them or none, raises :class:`StoreUnavailable`; those that are written already change nothing.

        ``limit``: entries that are kept. ``on_waiting`` is told how many there are whenever that changes.
        """
        self._write = write
        self._limit = limit
        self._on_waiting = on_waiting
        self._retry_s = retry_s
        self._entries: deque[_Entry] = deque()
        self._batch = MAX_BATCH
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: _Entry) -> None:
        """Keep it, unless there are too many: then it is in the log alone."""
        if self._closed or len(self._entries) >= self._limit:
            logger.error("not kept for the usage ledger, for %d rows wait already: %r", len(self._entries), entry)
            return
        self._entries.append(entry)
        self._on_waiting(len(self._entries))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._try_again(), name="late-ledger-entries")

    async def close(self) -> None:
        """Try once more, and end. Idempotent."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._write_all()
        if self._entries:
            logger.error("%d rows of the usage ledger were not written; each is above in this log", len(self._entries))

    async def _try_again(self) -> None:
        while self._entries:
            await asyncio.sleep(self._retry_s)
            await self._write_all()

    async def _write_all(self) -> None:
        """Until there is none, or one batch can't be written: it goes behind the others, which need not fail with it.

        An entry that can never be written is alone in its batch after a few tries.
        """
        written = 0
        while self._entries:
            batch = list(islice(self._entries, self._batch))
            try:
                await self._write(batch)
            except StoreUnavailable:
                self._entries.rotate(-len(batch))
                self._batch = max(1, self._batch // 2)
                break
            for _ in batch:
                self._entries.popleft()
            written += len(batch)
            self._batch = min(MAX_BATCH, 2 * self._batch)
            self._on_waiting(len(self._entries))
        if written:
            logger.info("%d rows of the usage ledger that had waited were written, %d wait", written, len(self._entries))
