from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.config.settings.evals import EvalsSettings
from cluster.store.schema import upgrade
from tests.openai_schema import SchemaOracle
from tests.unit.eval_runs.bench import Bench
from tests.unit.eval_runs.fake_models import FakeModels
from tests.unit.storage.served import Served


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy, which is faster than to migrate each."""
    path = tmp_path_factory.mktemp("migrated") / "cluster.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def settings() -> EvalsSettings:
    """Tests that need others give their own."""
    return EvalsSettings()


@pytest.fixture
async def bench(migrated: Path, tmp_path: Path, settings: EvalsSettings) -> AsyncIterator[Bench]:
    path = shutil.copy(migrated, tmp_path / "copy.db")
    served = Served(tmp_path, relay=FakeModels(), evals=settings, database_url=f"sqlite+aiosqlite:///{path}")
    async with served.running(), served.client() as client:
        yield Bench(served, client)


@pytest.fixture(scope="session")
def oracle() -> SchemaOracle:
    return SchemaOracle.load()
