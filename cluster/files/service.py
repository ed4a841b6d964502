"""Files of an organization's project: upload, list, get, read, delete. No query without a principal."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.storage import FilesSettings
from cluster.errors import InvalidRequest, NotFound, StoreUnavailable
from cluster.files import quota
from cluster.files.model import File, Purpose, is_file_id, object_key
from cluster.files.upload import FileMetrics, Upload
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.objects.contract import ObjectMissing, ObjectStorage
from cluster.store.tables import FileRow

logger = logging.getLogger(__name__)

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class FilePage:
    files: list[File]
    has_more: bool

    def to_json(self) -> dict[str, object]:
        """OpenAI's list object."""
        return {
            "object": "list",
            "data": [file.to_json() for file in self.files],
            "first_id": self.files[0].id if self.files else "",
            "last_id": self.files[-1].id if self.files else "",
            "has_more": self.has_more,
        }


class Files:
    """Methods raise :class:`NotFound` for what does not exist, has expired or is not the caller's own, alike."""

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

    async def upload(self, principal: Principal) -> Upload:
        """Begin a file. Raises :class:`PermissionDenied` when the organization can have no further one."""
        async with self._database.session() as session:
            used = await quota.used(session, principal.org_id, self._now())
        quota.check(self._settings, used, 0)
        return self._upload(principal, used)

    async def keep(self, principal: Principal, file_id: str, filename: str, purpose: Purpose, content: bytes) -> File:
        """A file that the cluster makes, under an id that was chosen before: made again, it is the one that there is.

        Raises :class:`PermissionDenied` (quota), :class:`StoreUnavailable`.
        """
        async with self._database.session() as session:
            row = await self._find(session, principal, file_id)
            used = await quota.used(session, principal.org_id, self._now())
        if row is not None:
            return File.of(row)
        # What an attempt has left that ended before there was a row.
        await self._storage.delete(object_key(principal.org_id, file_id))
        upload = self._upload(principal, used, file_id)
        try:
            await upload.write(content)
            return await upload.finish(filename=filename, purpose=purpose, expires_after_s=None)
        finally:
            await upload.close()

    async def page(self, principal: Principal, *, purpose: str | None, after: str | None, limit: int, order: Order) -> FilePage:
        """By time of creation. Raises :class:`InvalidRequest` for an ``after`` that is not in the list."""
        row = FileRow
        query = select(row).where(*self._own(principal))
        if purpose is not None:
            query = query.where(row.purpose == purpose)
        place = tuple_(row.created_us, row.id)
        async with self._database.session() as session:
            if after is not None:
                last = await self._find(session, principal, after)
                if last is None:
                    raise InvalidRequest("Invalid 'after': there is no such file.", param="after", code="invalid_value")
                here = (last.created_us, last.id)
                query = query.where(place < here if order == "desc" else place > here)
            columns = (row.created_us.desc(), row.id.desc()) if order == "desc" else (row.created_us, row.id)
            found = [File.of(each) for each in await session.scalars(query.order_by(*columns).limit(limit + 1))]
        return FilePage(found[:limit], has_more=len(found) > limit)

    async def get(self, principal: Principal, file_id: str) -> File:
        async with self._database.session() as session:
            return File.of(await self._row(session, principal, file_id))

    async def read(self, principal: Principal, file: File, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The content from ``start`` to before ``end``. Raises :class:`NotFound` when it was deleted meanwhile."""
        try:
            async with aclosing(self._storage.read(object_key(principal.org_id, file.id), start, end)) as pieces:
                async for piece in pieces:
                    self._metrics.file_sent(len(piece))
                    yield piece
        except ObjectMissing:
            raise _no_such_file(file.id) from None

    async def delete(self, principal: Principal, file_id: str) -> None:
        """The file is gone when this returns; its content a moment later, or when the sweeper finds it."""
        async with self._database.transaction() as session:
            row = await self._row(session, principal, file_id, lock=True)
            await session.delete(row)
        try:
            await self._storage.delete(object_key(principal.org_id, file_id))
        except StoreUnavailable:
            # The file is gone for everybody; trying again would only answer that there is none.
            logger.warning("the content of the deleted file %s is left to the sweeper", file_id)

    # --- parts of the above -----------------------------------------------------------------------------------------------

    def _upload(self, principal: Principal, used: quota.Used, file_id: str | None = None) -> Upload:
        return Upload(
            principal,
            used,
            database=self._database,
            storage=self._storage,
            settings=self._settings,
            metrics=self._metrics,
            now=self._now,
            file_id=file_id,
        )

    def _own(self, principal: Principal) -> tuple[Any, ...]:
        row = FileRow
        alive = or_(row.expires_at.is_(None), row.expires_at > self._now())
        return row.org_id == principal.org_id, row.project_id == principal.project_id, alive

    async def _find(self, session: AsyncSession, principal: Principal, file_id: str, *, lock: bool = False) -> FileRow | None:
        if not is_file_id(file_id):
            return None
        query = select(FileRow).where(FileRow.id == file_id, *self._own(principal))
        return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()

    async def _row(self, session: AsyncSession, principal: Principal, file_id: str, *, lock: bool = False) -> FileRow:
        row = await self._find(session, principal, file_id, lock=lock)
        if row is None:
            raise _no_such_file(file_id)
        return row


def _no_such_file(file_id: str) -> NotFound:
    return NotFound(f"There is no file {file_id[:100]!r}.", param="file_id", code="file_not_found")
