"""The usage ledger: one row for each finished request, on disk before its answer ends."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from cluster.errors import PermissionDenied, StoreUnavailable
from cluster.store.database import Database
from cluster.store.tables import LABEL_LENGTH, UsageRow

logger = logging.getLogger(__name__)

MAX_QUEUED = 10_000
MAX_BATCH = 500
"""Rows in one commit: enough to share the disk's flush, few enough that the first does not wait for the last."""


class Outcome(StrEnum):
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one request used.

    ``cached_tokens`` is the engine's exact count, ``shown_cached_tokens`` what the client was told. ``status``: the HTTP status,
    or what it would have been on another edge. ``started_at``: Unix seconds. Raises ``ValueError`` for values that
    no request has, so that one wrong entry can't fail the commit of others.
    """

    request_id: str
    org_id: str
    project_id: str
    key_id: str
    model: str
    edge: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    shown_cached_tokens: int
    status: int
    outcome: Outcome
    started_at: float
    duration_s: float

    def __post_init__(self) -> None:
        for name, value in self.to_row().items():
            if isinstance(value, str):
                valid = 0 < len(value) <= LABEL_LENGTH and value.isascii() and value.isprintable()
            elif isinstance(value, int):
                valid = 0 <= value < 1 << 62
            else:
                valid = isinstance(value, float) and math.isfinite(value) and value >= 0
            if not valid:
                raise ValueError(f"{name}: {value!r} can't be in the ledger")

    def to_row(self) -> dict[str, object]:
        """Values by column."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = tuple(field.name for field in fields(LedgerEntry))


@dataclass(frozen=True, slots=True)
class UsageTotals:
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    shown_cached_tokens: int


_Waiting = tuple[LedgerEntry, asyncio.Future[None]]


class Caller(Protocol):
    """As much of a principal as the ledger needs to know."""

    @property
    def org_id(self) -> str: ...

    @property
    def admin(self) -> bool: ...


class UsageLedger:
    """Writes entries in groups: whatever has queued up while one commit was on its way goes into the next. No timer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = database.bulk_insert(_insert(database.dialect), _COLUMNS)
        self._waiting: deque[_Waiting] = deque()
        self._room = asyncio.Semaphore(MAX_QUEUED)
        self._wake = asyncio.Event()
        self._open = False
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._open = True
        self._writer = asyncio.create_task(self._write_groups(), name="usage-ledger")

    async def record(self, entry: LedgerEntry) -> None:
        """Return when the entry is on disk. Recording a request again changes nothing, so that a failed call may be repeated.

        Raises :class:`StoreUnavailable` when it could not be written. A caller that is cancelled while it waits for the disk leaves
        the entry with the writer, which writes it all the same. When the queue is full, callers wait for room.
        """
        async with self._room:
            if not self._open:
                raise StoreUnavailable("The usage ledger is closed.")
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((entry, written))
            self._wake.set()
            await written

    async def close(self) -> None:
        """Take no more entries, write those that wait, end. Idempotent."""
        self._open = False
        self._wake.set()
        if self._writer is not None:
            await self._writer
        await self._rows.close()

    async def totals(
        self, principal: Caller, since: float, until: float, *, org_id: str | None = None, model: str | None = None
    ) -> UsageTotals:
        """Sums over the requests that started in [since, until), Unix seconds: the caller's organization's.

        An admin sees all organizations, or one with ``org_id``. Raises :class:`PermissionDenied` for somebody else's.
        """
        if not principal.admin:
            if org_id not in (None, principal.org_id):
                raise PermissionDenied("Usage of another organization can't be read.", param="org_id")
            org_id = principal.org_id
        counts = (UsageRow.prompt_tokens, UsageRow.completion_tokens, UsageRow.cached_tokens, UsageRow.shown_cached_tokens)
        query = select(func.count(), *(func.coalesce(func.sum(count), 0) for count in counts))
        query = query.where(UsageRow.started_at >= since, UsageRow.started_at < until)
        if org_id is not None:
            query = query.where(UsageRow.org_id == org_id)
        if model is not None:
            query = query.where(UsageRow.model == model)
        async with self._database.session() as session:
            row = (await session.execute(query)).one()
        return UsageTotals(*(int(value) for value in row))

    async def _write_groups(self) -> None:
        while self._open or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write([self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))])

    async def _write(self, group: list[_Waiting]) -> None:
        error: StoreUnavailable | None = None
        try:
            await self._rows.write([entry.to_row() for entry, _ in group])
        except StoreUnavailable as failure:
            error = failure
        except Exception as failure:
            # A defect of ours; it must reach those who wait, and the next group must have its chance.
            logger.exception("the usage ledger could not write")
            error = StoreUnavailable("The usage of this request could not be recorded.")
            error.__cause__ = failure
        for _, written in group:
            if written.done():
                continue  # its caller was cancelled
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)


def _insert(dialect: str) -> Insert:
    insert = postgresql.insert(UsageRow) if dialect == "postgresql" else sqlite.insert(UsageRow)
    return insert.on_conflict_do_nothing(index_elements=[UsageRow.request_id])
