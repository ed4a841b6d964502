"""One engine, two databases: SQLite (a file, WAL) for one machine, PostgreSQL for clusters."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Select, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from cluster.config.settings.database import DatabaseSettings
from cluster.store.errors import store_errors
from cluster.store.frequent import (
    BulkInsert,
    EngineInsert,
    EngineQuery,
    PreparedInsert,
    ScalarQuery,
    SqliteInsert,
    SqliteQuery,
    SqliteThread,
)
from cluster.store.tables import Base

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
# A write transaction of SQLite takes the write lock at once: one that starts as a reader and wants to write later can be refused
# without any waiting, whatever the busy timeout.
SQLITE_READ, SQLITE_WRITE = "BEGIN", "BEGIN IMMEDIATE"


class Database:
    """Connections to one database. Belongs to one event loop; every method may raise :class:`StoreUnavailable`."""

    def __init__(self, engine: AsyncEngine, timeout_s: float) -> None:
        self._engine = engine
        self._timeout_s = timeout_s
        self._read = async_sessionmaker(engine, expire_on_commit=False)
        self._write = async_sessionmaker(engine.execution_options(sqlite_begin=SQLITE_WRITE), expire_on_commit=False)
        # SQLite has one writer at a time and lets the others poll; waiting here instead is fair and costs no thread.
        self._writer_turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.dialect == "sqlite" else nullcontext()

    @classmethod
    def open(cls, url: str, settings: DatabaseSettings) -> Database:
        """Prepare connections to ``url``; the first one is made when it is needed.

        Raises ``ValueError`` for a URL of another kind of database.
        """
        engine = create_engine(parse_url(url), timeout_s=settings.timeout_s, pool_size=settings.pool_size)
        return cls(engine, settings.timeout_s)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session to read with; whatever it writes is rolled back."""
        with store_errors():
            async with self._read() as session:
                yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session to write with: committed (and on disk) when the block ends, rolled back when it raises."""
        async with self._writer_turn:
            with store_errors():
                async with self._write() as session, session.begin():
                    yield session

    def bulk_insert(self, tables: Iterable[type[Base]]) -> BulkInsert:
        """Many rows of these tables at a time, each time in a transaction of its own. Rows that exist already stay as they are."""
        inserts = {table.__tablename__: self._insert_missing(table) for table in tables}
        if self.dialect != "sqlite":
            return EngineInsert(self._engine, inserts)
        return SqliteInsert(SqliteThread(self._connect_sqlite), inserts, self._writer_turn)

    def _insert_missing(self, table: type[Base]) -> PreparedInsert:
        insert = postgresql.insert(table) if self.dialect == "postgresql" else sqlite.insert(table)
        core = table.__table__
        return PreparedInsert(insert.on_conflict_do_nothing(index_elements=list(core.primary_key)), [c.name for c in core.columns])

    def scalar_query(self, select: Select[Any]) -> ScalarQuery:
        """``select`` prepared: it must give exactly one value, and is asked again and again."""
        if self.dialect != "sqlite":
            return EngineQuery(self._engine, select)
        return SqliteQuery(SqliteThread(self._connect_sqlite), select)

    def _connect_sqlite(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self._engine.url.database), timeout=self._timeout_s, check_same_thread=False)
        configure_sqlite(connection)
        return connection

    async def close(self) -> None:
        await self._engine.dispose()


def parse_url(url: str) -> URL:
    """Check a database URL and put our asynchronous driver into it. Raises ``ValueError`` without repeating a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("database.url is not a database URL (postgresql+asyncpg://… or sqlite+aiosqlite:///…)") from None
    driver = ASYNC_DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ValueError(f"database.url: {parsed.drivername!r} is not one of {', '.join(ASYNC_DRIVERS)}")
    if driver.startswith("sqlite") and (not parsed.database or parsed.database.startswith((":memory:", "file:"))):
        raise ValueError("database.url: SQLite needs the path of a file, because several processes share it")
    return parsed.set(drivername=driver)


def create_engine(url: URL, *, timeout_s: float, pool_size: int | None, foreign_keys: bool = True) -> AsyncEngine:
    """An engine with both databases' protections on. ``pool_size=None``: one connection, closed after use."""
    pool: dict[str, Any] = (
        {"poolclass": NullPool}
        if pool_size is None
        else {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": timeout_s, "pool_pre_ping": True}
    )
    if url.get_backend_name() == "sqlite":
        return _create_sqlite(url, timeout_s, foreign_keys, pool)
    connect = {
        "timeout": timeout_s,
        "command_timeout": timeout_s,
        "server_settings": {"application_name": "ossature"},
    }
    return create_async_engine(url, connect_args=connect, hide_parameters=True, **pool)


def _create_sqlite(url: URL, timeout_s: float, foreign_keys: bool, pool: dict[str, Any]) -> AsyncEngine:
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    # A local file does not go away between uses, so that a ping before each would only cost time.
    pool.pop("pool_pre_ping", None)
    engine = create_async_engine(url, connect_args={"timeout": timeout_s}, hide_parameters=True, **pool)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        configure_sqlite(connection, foreign_keys=foreign_keys)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", SQLITE_READ))

    return engine


def configure_sqlite(connection: Any, *, foreign_keys: bool = True) -> None:
    """Set a new connection up, whichever driver it is of."""
    # Otherwise the driver begins transactions when it sees fit, not when it is told to.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        # FULL: a commit is on disk when it returns. NORMAL would lose acknowledged usage in a power cut.
        "synchronous = FULL",
        f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
