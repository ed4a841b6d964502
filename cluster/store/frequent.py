"""Statements that run all the time (one a request, several a second), with as little around them as can be.

A session of SQLAlchemy costs milliseconds of processor time for each transaction under SQLite, where every step crosses to the
driver's thread and back. Here a transaction crosses once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Insert, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.store.errors import store_errors

Rows = Sequence[Mapping[str, object]]
"""Values by column, the same columns in all rows."""

_Result = TypeVar("_Result")
_DIALECT = sqlite.dialect(paramstyle="named")


TableRows = Sequence[tuple[str, Rows]]
"""Rows by the name of their table, in the order in which they are to be written."""


@dataclass(frozen=True, slots=True)
class PreparedInsert:
    """``insert`` for rows of these ``columns``."""

    insert: Insert
    columns: Sequence[str]


class BulkInsert(Protocol):
    """One statement a table, prepared. Belongs to one event loop."""

    async def write(self, rows: TableRows) -> None:
        """Return when all rows are on disk, in one transaction; none is when it raises. Raises :class:`StoreUnavailable`."""
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent; no write may follow."""
        ...


class ScalarQuery(Protocol):
    """A question whose answer is one value, prepared. Belongs to one event loop."""

    async def value(self) -> Any:
        """The answer now. Raises :class:`StoreUnavailable`."""
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent; no question may follow."""
        ...


class EngineInsert:
    """Through SQLAlchemy's engine: for PostgreSQL, whose driver is asynchronous by itself."""

    def __init__(self, engine: AsyncEngine, inserts: Mapping[str, PreparedInsert]) -> None:
        self._engine = engine
        self._inserts = {table: prepared.insert for table, prepared in inserts.items()}

    async def write(self, rows: TableRows) -> None:
        with store_errors():
            async with self._engine.begin() as connection:
                for table, of_table in rows:
                    await connection.execute(self._inserts[table], of_table)

    async def close(self) -> None:
        """The engine keeps the connections."""


class EngineQuery:
    """The same for a question."""

    def __init__(self, engine: AsyncEngine, select: Select[Any]) -> None:
        self._engine = engine
        self._select = select

    async def value(self) -> Any:
        with store_errors():
            async with self._engine.connect() as connection:
                return (await connection.execute(self._select)).scalar_one()

    async def close(self) -> None:
        """The engine keeps the connections."""


class SqliteThread:
    """A connection with a thread of its own."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """``connect`` opens a connection without automatic transactions."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do ``work`` there. When it fails the connection is closed, which rolls back, and the next call gets a new one."""
        with store_errors():
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def close(self) -> None:
        """Idempotent; nothing may follow."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown(wait=False)

    def _run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return work(self._connection)
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class SqliteInsert:
    """Under SQLite. ``writer_turn`` is held while a transaction is open."""

    def __init__(
        self, thread: SqliteThread, inserts: Mapping[str, PreparedInsert], writer_turn: AbstractAsyncContextManager[Any]
    ) -> None:
        self._thread = thread
        self._statements = {
            table: str(prepared.insert.compile(dialect=_DIALECT, column_keys=list(prepared.columns)))
            for table, prepared in inserts.items()
        }
        self._writer_turn = writer_turn

    async def write(self, rows: TableRows) -> None:
        def commit(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            for table, of_table in rows:
                connection.executemany(self._statements[table], of_table)
            connection.execute("COMMIT")

        async with self._writer_turn:
            await self._thread.run(commit)

    async def close(self) -> None:
        await self._thread.close()


class SqliteQuery:
    """Under SQLite."""

    def __init__(self, thread: SqliteThread, select: Select[Any]) -> None:
        self._thread = thread
        compiled = select.compile(dialect=_DIALECT)
        self._statement, self._parameters = str(compiled), compiled.params

    async def value(self) -> Any:
        return await self._thread.run(self._ask)

    async def close(self) -> None:
        await self._thread.close()

    def _ask(self, connection: sqlite3.Connection) -> Any:
        (row,) = connection.execute(self._statement, self._parameters).fetchall()
        (value,) = row
        return value
