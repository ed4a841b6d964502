"""Deletes expired files, and contents that belong to no file: what broken-off uploads and deletions have left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy import delete, select

from cluster.config.settings.storage import FilesSettings
from cluster.files.model import is_file_id, object_key
from cluster.files.upload import FileMetrics
from cluster.store.database import Database
from cluster.store.objects.contract import ObjectStorage
from cluster.store.periodic import Periodic
from cluster.store.tables import FileRow

logger = logging.getLogger(__name__)

BATCH = 200
ORPHAN_ROUNDS = 24
"""How often orphans are looked for in the time that makes one: every hour, with the default age of a day."""


class FileSweeper:
    """Several gateways may sweep at once."""

    def __init__(
        self,
        database: Database,
        storage: ObjectStorage,
        settings: FilesSettings,
        metrics: FileMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings
        self._metrics = metrics
        self._now = now
        self._rounds = (
            Periodic("files-expired", settings.sweep_interval_s, self.delete_expired),
            # Looking for orphans lists all objects, and they have time.
            Periodic("files-orphans", settings.orphan_age_s / ORPHAN_ROUNDS, self.delete_orphans),
        )

    def start(self) -> None:
        for each in self._rounds:
            each.start()

    async def close(self) -> None:
        for each in self._rounds:
            await each.close()

    async def delete_expired(self) -> int:
        """How many files that were. Raises :class:`StoreUnavailable`.

        First the row goes, as whenever a file is deleted: no file without content is ever seen.
        """
        row, total = FileRow, 0
        while True:
            # Another gateway's rows are left to it, rather than waited for.
            old = select(row).where(row.expires_at <= self._now()).limit(BATCH).with_for_update(skip_locked=True)
            async with self._database.transaction() as session:
                expired = [(each.org_id, each.id) for each in await session.scalars(old)]
                if expired:
                    await session.execute(delete(row).where(row.id.in_([file_id for _, file_id in expired])))
            for org_id, file_id in expired:
                await self._storage.delete(object_key(org_id, file_id))
            self._metrics.files_swept("expired", len(expired))
            total += len(expired)
            if len(expired) < BATCH:
                return total

    async def delete_orphans(self) -> int:
        """How many contents that were. Raises :class:`StoreUnavailable`.

        Young ones are left: their rows may be about to be written.
        """
        before = self._now() - self._settings.orphan_age_s
        total = await self._storage.remove_unfinished(before)
        keys = [key for key in await self._storage.keys_before(before) if is_file_id(key.rpartition("/")[2])]
        for start in range(0, len(keys), BATCH):
            total += await self._delete_unknown(keys[start : start + BATCH])
        self._metrics.files_swept("orphan", total)
        if total:
            logger.info("%d contents belonged to no file", total)
        return total

    async def _delete_unknown(self, keys: list[str]) -> int:
        ids = [key.rpartition("/")[2] for key in keys]
        async with self._database.session() as session:
            rows = await session.execute(select(FileRow.org_id, FileRow.id).where(FileRow.id.in_(ids)))
            known = {object_key(org_id, file_id) for org_id, file_id in rows}
        unknown = [key for key in keys if key not in known]
        for key in unknown:
            await self._storage.delete(key)
        return len(unknown)
