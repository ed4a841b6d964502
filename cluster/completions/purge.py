"""Deletes stored completions past their retention."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import delete, select

from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.store.database import Database
from cluster.store.periodic import Periodic
from cluster.store.tables import StoredCompletionRow

logger = logging.getLogger(__name__)

BATCH = 200
"""Rows of one transaction, so that SQLite's write lock is soon free again."""


class PurgeMetrics(Protocol):
    def completions_purged(self, count: int) -> None: ...


class RetentionPurger:
    """Several gateways may purge at once: each row is deleted, and counted, by one of them."""

    def __init__(
        self,
        database: Database,
        settings: StoredCompletionsSettings,
        metrics: PurgeMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._now = now
        self._periodic = Periodic("stored-completions-purge", settings.purge_interval_s, self.purge)

    def start(self) -> None:
        self._periodic.start()

    async def close(self) -> None:
        await self._periodic.close()

    async def purge(self) -> int:
        """Delete all that is too old by now; how many that were. Raises :class:`StoreUnavailable`."""
        cutoff_us = int((self._now() - self._settings.retention_s) * 1_000_000)
        total = 0
        while True:
            deleted = await self._delete_some(cutoff_us)
            total += deleted
            if deleted < BATCH:
                break
        if total:
            logger.info("%d stored completions were past their retention", total)
        return total

    async def _delete_some(self, cutoff_us: int) -> int:
        row = StoredCompletionRow
        # Another gateway's rows are left to it, rather than waited for. Tags go with their completion.
        old = select(row.id).where(row.created_us < cutoff_us).limit(BATCH).with_for_update(skip_locked=True)
        async with self._database.transaction() as session:
            ids = list(await session.scalars(old))
            if ids:
                await session.execute(delete(row).where(row.id.in_(ids)))
        if ids:
            self._metrics.completions_purged(len(ids))
        return len(ids)
