"""Many small writes, few commits: whatever has queued up while one commit was on its way goes into the next. No timer.

A commit waits for the disk, for milliseconds; rows that are written beside others in the same transaction cost next to nothing on
top. What one request leaves behind (its row of the ledger, its copy) therefore goes through one :class:`GroupCommit`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cluster.errors import StoreUnavailable
from cluster.store.database import Database
from cluster.store.frequent import Rows, TableRows
from cluster.store.tables import Base

logger = logging.getLogger(__name__)

MAX_BATCH = 500
"""Writes in one commit: enough to share the disk's flush, few enough that the first does not wait for the last."""

MAX_BATCH_BYTES = 8 << 20
OFF_LOOP_BYTES = 64 << 10
"""Rows that take more than this to make are made in a thread."""


class WriteRefused(Exception):
    """Raised while making rows: this write is not to be made. Whoever waits for it gets the error as it is."""


@dataclass(frozen=True, slots=True)
class Write:
    """Rows that are written together or not at all.

    ``rows`` makes them, perhaps in another thread, shortly before they are written; ``size_bytes`` is roughly what it works on.
    ``kind`` names writes that may fail together: if a group can't be written, each kind is tried alone.
    """

    kind: str
    rows: Callable[[], TableRows]
    size_bytes: int = 0


@dataclass(slots=True)
class _Waiting:
    write: Write
    written: asyncio.Future[None]
    rows: TableRows = ()


class GroupCommit:
    """One writer of one event loop."""

    def __init__(self, database: Database, tables: Sequence[type[Base]]) -> None:
        """``tables``: those that may be written, in the order in which rows may refer to one another."""
        self._order = [table.__tablename__ for table in tables]
        self._bulk = database.bulk_insert(tables)
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._open = False
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._writer is None:
            self._open = True
            self._writer = asyncio.create_task(self._write_groups(), name="group-commit")

    def submit(self, write: Write) -> asyncio.Future[None]:
        """Queue it now; the future ends when it is on disk, or with :class:`StoreUnavailable` or :class:`WriteRefused`.

        Cancelling the future leaves the write with the writer, which writes it all the same. Rows that exist already stay as they
        are. Raises :class:`StoreUnavailable` when closed.
        """
        if not self._open:
            raise StoreUnavailable("The cluster's database is not open for writing.")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(write, written))
        self._wake.set()
        return written

    async def close(self) -> None:
        """Take no more, write what waits, end. Idempotent."""
        self._open = False
        self._wake.set()
        if self._writer is not None:
            await self._writer
        await self._bulk.close()

    async def _write_groups(self) -> None:
        while self._open or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write(self._next_group())

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size_bytes = 0
        while self._waiting and len(group) < MAX_BATCH and size_bytes < MAX_BATCH_BYTES:
            group.append(self._waiting.popleft())
            size_bytes += group[-1].write.size_bytes
        return group

    async def _write(self, group: list[_Waiting]) -> None:
        if sum(each.write.size_bytes for each in group) > OFF_LOOP_BYTES:
            failed = await asyncio.to_thread(_make_rows, group)
        else:
            failed = _make_rows(group)
        for each, error in failed:
            _end(each, error)
        made = [each for each in group if each.rows]
        if made and not await self._committed(made):
            kinds = {each.write.kind for each in made}
            for kind in sorted(kinds) if len(kinds) > 1 else ():
                await self._committed([each for each in made if each.write.kind == kind])
            for each in made:
                _end(each, StoreUnavailable("This could not be written to the cluster's database."))

    async def _committed(self, group: list[_Waiting]) -> bool:
        """Write a group and tell those who wait; ``False``, and nobody was told, after a failure that may be one write's fault."""
        try:
            await self._bulk.write(_by_table(self._order, group))
        except StoreUnavailable as error:
            for each in group:
                _end(each, error)
        except Exception:
            # A defect of ours, in one of the rows perhaps; the next group must have its chance.
            logger.exception("%d writes could not be made together", len(group))
            return False
        else:
            for each in group:
                _end(each, None)
        return True


def _make_rows(group: Iterable[_Waiting]) -> list[tuple[_Waiting, Exception]]:
    """Let each make its rows; those that can't, and why."""
    failed: list[tuple[_Waiting, Exception]] = []
    for each in group:
        try:
            each.rows = each.write.rows()
        except WriteRefused as refused:
            failed.append((each, refused))
        except Exception as defect:
            logger.exception("a write of the kind %s can't be made", each.write.kind)
            error = StoreUnavailable("This could not be prepared for the cluster's database.")
            error.__cause__ = defect
            failed.append((each, error))
    return failed


def _by_table(order: Sequence[str], group: Iterable[_Waiting]) -> TableRows:
    rows: dict[str, list[Rows]] = {name: [] for name in order}
    for each in group:
        for table, of_table in each.rows:
            rows[table].append(of_table)
    return [(name, [row for part in parts for row in part]) for name, parts in rows.items() if any(parts)]


def _end(each: _Waiting, error: Exception | None) -> None:
    if each.written.done():
        return  # told already, or its caller was cancelled
    if error is None:
        each.written.set_result(None)
    else:
        each.written.set_exception(error)
