"""A database whose worker dies, hangs or is cut off at a chosen write: each worker of a test has one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from cluster.config.settings.database import DatabaseSettings
from cluster.errors import StoreUnavailable
from cluster.store.database import Database, create_engine, parse_url


class Fault(StrEnum):
    NONE = "none"
    DIE_BEFORE = "die before the commit"
    DIE_AFTER = "die after the commit"
    HANG = "hang, and go on when another worker has the job"
    AWAY_BEFORE = "the database is away, and nothing is written"
    AWAY_AFTER = "the database is away, but it was written"


class Killed(BaseException):
    """The process has ended: nothing catches this, and what it does not reach is not written."""


class FakeFaultyDatabase(Database):
    @classmethod
    def at(cls, path: Path, fault: Fault, after_writes: int) -> FakeFaultyDatabase:
        settings = DatabaseSettings()
        url = parse_url(f"sqlite+aiosqlite:///{path}")
        made = cls(create_engine(url, timeout_s=settings.timeout_s, pool_size=settings.pool_size), settings.timeout_s)
        made._fault, made._left = fault, after_writes
        made.hung, made._released, made._dead = asyncio.Event(), asyncio.Event(), False
        return made

    def release(self) -> None:
        self._released.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        if self._dead:
            raise Killed
        if self.hung.is_set():
            await self._released.wait()
        # Heartbeats come by the clock on the wall; that a test can be repeated, they are not counted.
        task = asyncio.current_task()
        assert task is not None
        fault = self._due() if not task.get_name().startswith("lease of ") else Fault.NONE
        if fault is Fault.HANG:
            self.hung.set()
            await self._released.wait()
        elif fault is Fault.DIE_BEFORE:
            self._dead = True
            raise Killed
        elif fault is Fault.AWAY_BEFORE:
            raise StoreUnavailable("away")
        async with super().transaction() as session:
            yield session
        if fault is Fault.DIE_AFTER:
            self._dead = True
            raise Killed
        if fault is Fault.AWAY_AFTER:
            raise StoreUnavailable("away")

    def _due(self) -> Fault:
        self._left -= 1
        return self._fault if self._left == -1 else Fault.NONE
