"""One file on its way into storage. A row is made when the content is durable, so that a file which exists can be read."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Protocol

from cluster.config.settings.storage import FilesSettings
from cluster.errors import PermissionDenied, RequestTooLarge
from cluster.files import quota
from cluster.files.model import File, Purpose, clean_filename, new_file_id, object_key
from cluster.files.quota import Used
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.objects.contract import ObjectStorage, ObjectWriter
from cluster.store.tables import FileRow

PIECE_BYTES = 1 << 20
"""What is gathered of small pieces before a thread is troubled."""


class FileMetrics(Protocol):
    def file_received(self, size_bytes: int) -> None: ...

    def file_sent(self, size_bytes: int) -> None: ...

    def files_swept(self, reason: str, count: int) -> None: ...


class Upload:
    """Write, then :meth:`finish`; :meth:`close` in any case."""

    def __init__(
        self,
        principal: Principal,
        used: Used,
        *,
        database: Database,
        storage: ObjectStorage,
        settings: FilesSettings,
        metrics: FileMetrics,
        now: Callable[[], float] = time.time,
        file_id: str | None = None,
    ) -> None:
        """``used``: what the organization had when the upload began. ``file_id``: of a file that the cluster itself makes."""
        self._id = file_id if file_id is not None else new_file_id()
        self._key = object_key(principal.org_id, self._id)
        self._principal = principal
        self._used = used
        self._database = database
        self._storage = storage
        self._settings = settings
        self._metrics = metrics
        self._now = now
        self._writer: ObjectWriter | None = None
        self._hash = hashlib.sha256()
        self._pending = bytearray()
        self._size_bytes = 0

    async def write(self, data: bytes) -> None:
        """More of the content. Raises :class:`RequestTooLarge`, :class:`PermissionDenied` (quota), :class:`StoreUnavailable`."""
        self._size_bytes += len(data)
        if self._size_bytes > self._settings.max_file_bytes:
            raise RequestTooLarge(
                f"The file is larger than the limit of {self._settings.max_file_bytes} bytes.", param="file", code="file_too_large"
            )
        quota.check(self._settings, self._used, self._size_bytes)
        self._pending += data
        if len(self._pending) >= PIECE_BYTES:
            await self._flush()

    async def finish(self, *, filename: str, purpose: Purpose, expires_after_s: int | None) -> File:
        """Make a file of what was written. Raises :class:`PermissionDenied` (quota), :class:`StoreUnavailable`."""
        await self._flush()
        writer = self._writer
        assert writer is not None
        await writer.commit()
        # From here on the content may belong to a file. What is broken off below leaves an orphan at worst, which is swept.
        self._writer = None
        now = self._now()
        row = FileRow(
            id=self._id,
            org_id=self._principal.org_id,
            project_id=self._principal.project_id,
            key_id=self._principal.key_id,
            filename=clean_filename(filename),
            purpose=str(purpose),
            size_bytes=self._size_bytes,
            sha256=self._hash.hexdigest(),
            created_us=int(now * 1_000_000),
            expires_at=None if expires_after_s is None else int(now) + expires_after_s,
        )
        try:
            async with self._database.transaction() as session:
                await quota.lock(session, row.org_id)
                quota.check(self._settings, await quota.used(session, row.org_id, now), row.size_bytes)
                session.add(row)
        except PermissionDenied:
            await self._storage.delete(self._key)
            raise
        self._metrics.file_received(row.size_bytes)
        return File.of(row)

    async def close(self) -> None:
        """Leave nothing of an upload that did not become a file. Idempotent."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.abort()

    async def _flush(self) -> None:
        data, self._pending = bytes(self._pending), bytearray()
        if self._writer is None:
            self._writer = await self._storage.create(self._key)
        if data:
            await asyncio.to_thread(self._hash.update, data)
            await self._writer.write(data)
