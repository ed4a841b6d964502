from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.config.settings.database import DatabaseSettings
from cluster.store.database import Database
from cluster.store.schema import upgrade
from tests.unit.jobs.bench import Bench


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy, which is faster than to migrate each."""
    path = tmp_path_factory.mktemp("migrated") / "cluster.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest_asyncio.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = shutil.copy(migrated, tmp_path / "cluster.db")
    database = Database.open(f"sqlite+aiosqlite:///{path}", DatabaseSettings())
    yield database
    await database.close()


@pytest_asyncio.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    bench = Bench(database)
    yield bench
    await bench.close()
