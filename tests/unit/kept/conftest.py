from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.store.schema import upgrade
from tests.unit.kept.scene import Scene


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy, which is faster than to migrate each."""
    path = tmp_path_factory.mktemp("migrated") / "cluster.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def unstarted(migrated: Path, tmp_path: Path) -> Scene:
    return Scene(tmp_path, Path(shutil.copy(migrated, tmp_path / "cluster.db")))


@pytest.fixture
async def scene(unstarted: Scene) -> AsyncIterator[Scene]:
    async with unstarted.running() as running:
        yield running
