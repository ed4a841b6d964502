"""Deletes events and steps of jobs that were finished long ago. The jobs themselves stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy import delete, or_, select

from cluster.config.settings.jobs import JobsSettings
from cluster.store.database import Database
from cluster.store.periodic import Periodic
from cluster.store.tables import JobEventRow, JobRow, JobStepRow

logger = logging.getLogger(__name__)

BATCH = 20
"""Jobs of one transaction, which may have many rows, so that SQLite's write lock is soon free again."""


class JobPurger:
    """Several workers may purge at once."""

    def __init__(self, database: Database, settings: JobsSettings, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
        self._now = now
        self._periodic = Periodic("jobs-purge", settings.purge_interval_s, self.purge)

    def start(self) -> None:
        self._periodic.start()

    async def close(self) -> None:
        await self._periodic.close()

    async def purge(self) -> int:
        """Delete all that is too old by now; of how many jobs. Raises :class:`~cluster.errors.StoreUnavailable`."""
        total = 0
        while deleted := await self._delete_some(int(self._now() - self._settings.retention_s)):
            total += deleted
        if total:
            logger.info("events and steps of %d jobs were past their retention", total)
        return total

    async def _delete_some(self, cutoff: int) -> int:
        row, events, steps = JobRow, JobEventRow, JobStepRow
        has_events = select(events.sequence).where(events.job_id == row.id).exists()
        has_steps = select(steps.name).where(steps.job_id == row.id).exists()
        old = select(row.id).where(row.finished_at < cutoff, or_(has_events, has_steps)).order_by(row.finished_at).limit(BATCH)
        async with self._database.transaction() as session:
            ids = list(await session.scalars(old.with_for_update(skip_locked=True)))
            if ids:
                await session.execute(delete(events).where(events.job_id.in_(ids)))
                await session.execute(delete(steps).where(steps.job_id.in_(ids)))
        return len(ids)
