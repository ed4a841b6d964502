"""When each key was last used: noted in memory by requests, written to the database in batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import bindparam, or_, update

from cluster.errors import StoreUnavailable
from cluster.store.database import Database
from cluster.store.tables import ApiKeyRow

logger = logging.getLogger(__name__)

WRITE_INTERVAL_S = 10.0
BATCH = 500
"""Keys in one transaction, so that SQLite's write lock is soon free again."""


class LastUsed:
    """An indication for administrators: times may be 10 s old, and those of an outage are lost."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._used: dict[str, int] = {}
        self._writer: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """Remember that a key was used now. Never waits."""
        self._used[key_id] = int(self._now())

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write_repeatedly(), name="identity-last-used")

    async def close(self) -> None:
        """Write what is noted and end. Idempotent."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None
        await self.write()

    async def write(self) -> None:
        """Write what was noted since the last time."""
        used, self._used = self._used, {}
        # In one order everywhere: gateways that update the same rows must not wait for each other in a circle.
        rows = [{"key": key_id, "used": used[key_id]} for key_id in sorted(used)]
        statement = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == bindparam("key"))
            .where(or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < bindparam("used")))
            .values(last_used_at=bindparam("used"))
        )
        try:
            for start in range(0, len(rows), BATCH):
                async with self._database.transaction() as session:
                    await (await session.connection()).execute(statement, rows[start : start + BATCH])
        except StoreUnavailable:
            logger.info("the last uses of %d keys could not be written", len(rows))

    async def _write_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(WRITE_INTERVAL_S)
            try:
                await self.write()
            except Exception:
                # A defect; the next round must have its chance.
                logger.exception("the last uses of keys could not be written")
