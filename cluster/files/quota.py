"""How much of its files' quota an organization has used."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.storage import FilesSettings
from cluster.errors import PermissionDenied
from cluster.store.tables import FileRow


@dataclass(frozen=True, slots=True)
class Used:
    files: int
    size_bytes: int


async def used(session: AsyncSession, org_id: str, now: float) -> Used:
    """By all files of the organization that have not expired."""
    row = FileRow
    query = select(func.count(), func.coalesce(func.sum(row.size_bytes), 0)).where(
        row.org_id == org_id, or_(row.expires_at.is_(None), row.expires_at > now)
    )
    files, size_bytes = (await session.execute(query)).one()
    return Used(int(files), int(size_bytes))


async def lock(session: AsyncSession, org_id: str) -> None:
    """Until the end of the transaction nobody else adds a file to this organization. (SQLite has one writer at a time.)"""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:org_id, 0))"), {"org_id": f"files:{org_id}"})


def check(settings: FilesSettings, before: Used, size_bytes: int) -> None:
    """Whether another file of this size may be added. Raises :class:`PermissionDenied`: trying again would not help."""
    if before.files >= settings.max_files_per_organization:
        raise PermissionDenied(
            f"The organization has {before.files} files, as many as it may have. Delete some first.", code="file_quota_exceeded"
        )
    if before.size_bytes + size_bytes > settings.max_bytes_per_organization:
        raise PermissionDenied(
            f"The file would take the organization over its {settings.max_bytes_per_organization} bytes of files. "
            "Delete some first.",
            code="file_quota_exceeded",
        )
