"""The usage ledger: one row for each finished request, on disk before its answer ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Protocol

from sqlalchemy import func, select

from cluster.errors import PermissionDenied, StoreUnavailable
from cluster.store.database import Database
from cluster.store.frequent import TableRows
from cluster.store.group_commit import GroupCommit, Write
from cluster.store.late_entries import LateEntries
from cluster.store.tables import LABEL_LENGTH, UsageRow

MAX_QUEUED = 10_000
MAX_LATE = 50_000


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
        for name, value in zip(_COLUMNS, _values(self), strict=True):
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
        return dict(zip(_COLUMNS, _values(self), strict=True))

    def table_rows(self) -> TableRows:
        return [(UsageRow.__tablename__, [self.to_row()])]


_COLUMNS = tuple(field.name for field in fields(LedgerEntry))
_values = attrgetter(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class UsageTotals:
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    shown_cached_tokens: int


class Caller(Protocol):
    """As much of a principal as the ledger needs to know."""

    @property
    def org_id(self) -> str: ...

    @property
    def admin(self) -> bool: ...


class UsageLedger:
    """Writes entries in groups: see :class:`~cluster.store.group_commit.GroupCommit`."""

    def __init__(
        self,
        database: Database,
        commits: GroupCommit | None = None,
        *,
        max_late: int = MAX_LATE,
        on_late: Callable[[int], None] = lambda waiting: None,
    ) -> None:
        """``commits``: where to write, shared with what is to be in the same transactions; unset: one of the ledger's own.

        ``max_late``: entries that are kept to be written later; ``on_late`` is told how many there are.
        """
        self._database = database
        self._late = LateEntries(self._write_late, max_late, on_late)
        self._commits = commits if commits is not None else GroupCommit(database, [UsageRow])
        self._room = asyncio.Semaphore(MAX_QUEUED)

    async def start(self) -> None:
        self._commits.start()

    async def record(self, entry: LedgerEntry) -> None:
        """Return when the entry is on disk. Recording a request again changes nothing, so that a failed call may be repeated.

        Raises :class:`StoreUnavailable` when it could not be written now; it is tried again until it is, or this process ends. A
        caller that is cancelled while it waits for the disk leaves the entry with the writer, which writes it all the same. When
        the queue is full, callers wait for room.
        """
        async with self._room:
            written = self._commits.submit(Write("usage", entry.table_rows))
            written.add_done_callback(partial(self._ended, entry))
            await asyncio.shield(written)

    def _ended(self, entry: LedgerEntry, written: asyncio.Future[None]) -> None:
        if isinstance(written.exception(), StoreUnavailable):
            self._late.add(entry)

    async def _write_late(self, entries: Sequence[LedgerEntry]) -> None:
        rows = [(UsageRow.__tablename__, [entry.to_row() for entry in entries])]
        await self._commits.submit(Write("late usage", lambda: rows))

    async def close(self) -> None:
        """Take no more entries, write those that wait, end. Idempotent."""
        await self._late.close()
        await self._commits.close()

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
