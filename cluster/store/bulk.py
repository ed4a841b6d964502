"""Rows that are written for every request: one statement, many rows, one commit, with as little around it as can be.

A session of SQLAlchemy costs milliseconds of processor time for each commit under SQLite, where every step crosses to the driver's
thread and back. Here a group of rows crosses once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import Insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.store.errors import store_errors

Rows = Sequence[Mapping[str, object]]
"""Values by column, the same columns in all rows."""


class BulkInsert(Protocol):
    """One statement, prepared. Belongs to one event loop."""

    async def write(self, rows: Rows) -> None:
        """Return when all rows are on disk; none is when it raises. Raises :class:`StoreUnavailable`."""
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent; no write may follow."""
        ...


class EngineInsert:
    """Through SQLAlchemy's engine: for PostgreSQL, whose driver is asynchronous by itself."""

    def __init__(self, engine: AsyncEngine, insert: Insert) -> None:
        self._engine = engine
        self._insert = insert

    async def write(self, rows: Rows) -> None:
        with store_errors():
            async with self._engine.begin() as connection:
                await connection.execute(self._insert, rows)

    async def close(self) -> None:
        """The engine keeps the connections."""


class SqliteInsert:
    """Through a connection and a thread of its own."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        insert: Insert,
        columns: Sequence[str],
        writer_turn: AbstractAsyncContextManager[Any],
    ) -> None:
        """``connect`` opens a connection without automatic transactions; ``writer_turn`` is held while one of ours is open."""
        self._connect = connect
        self._statement = str(insert.compile(dialect=sqlite.dialect(paramstyle="named"), column_keys=list(columns)))
        self._writer_turn = writer_turn
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "bulk-insert")
        self._closed = False

    async def write(self, rows: Rows) -> None:
        async with self._writer_turn:
            with store_errors():
                await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, rows)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown(wait=False)

    def _commit(self, rows: Rows) -> None:
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(self._statement, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            # Whatever state it is in: closing rolls back, and the next group gets a new one.
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
