"""Deletes runs of evals that ended long ago, with their output items: these hold prompts and answers, of stored completions too."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, select

from cluster.config.settings.evals import EvalsSettings
from cluster.store.database import Database
from cluster.store.eval_tables import EvalOutputItemRow, EvalRunRow
from cluster.store.periodic import Periodic
from cluster.store.tables import JobRow

logger = logging.getLogger(__name__)

BATCH_RUNS: Final = 20
BATCH_ITEMS: Final = 500
"""Rows of one transaction, so that SQLite's write lock is soon free again. A run may have many items, and large ones."""


class RunPurger:
    """Several gateways may purge at once."""

    def __init__(self, database: Database, settings: EvalsSettings, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._now = now
        self._periodic = Periodic("eval-runs-purge", settings.purge_interval_s, self.purge)

    def start(self) -> None:
        self._periodic.start()

    async def close(self) -> None:
        """Idempotent."""
        await self._periodic.close()

    async def purge(self) -> int:
        """Delete all runs that ended too long ago; how many. Raises :class:`~cluster.errors.StoreUnavailable`."""
        cutoff_s = int(self._now() - self._settings.run_retention_s)
        total = 0
        while ids := await self._past(cutoff_s):
            while await self._delete_items(ids):
                pass
            total += await self._delete_runs(ids)
        if total:
            logger.info("%d runs of evals were past their retention", total)
        return total

    async def _past(self, cutoff_s: int) -> list[str]:
        row = EvalRunRow
        # A run is older than its job's end, so that the first condition loses none and spares the join of young ones.
        old = select(row.id).join(JobRow, JobRow.id == row.id)
        old = old.where(row.created_us < cutoff_s * 1_000_000, JobRow.finished_at < cutoff_s).order_by(row.id).limit(BATCH_RUNS)
        async with self._database.session() as session:
            return list(await session.scalars(old))

    async def _delete_items(self, run_ids: list[str]) -> int:
        item = EvalOutputItemRow
        some = select(item.id).where(item.run_id.in_(run_ids)).limit(BATCH_ITEMS)
        async with self._database.transaction() as session:
            ids = list(await session.scalars(some))
            if ids:
                await session.execute(delete(item).where(item.id.in_(ids)))
        return len(ids)

    async def _delete_runs(self, run_ids: list[str]) -> int:
        """Another gateway may have deleted some of them: each is counted by one."""
        async with self._database.transaction() as session:
            gone = await session.scalars(delete(EvalRunRow).where(EvalRunRow.id.in_(run_ids)).returning(EvalRunRow.id))
            return len(list(gone))
