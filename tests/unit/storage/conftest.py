from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.openai_schema import SchemaOracle
from tests.unit.storage.served import Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Served(tmp_path).running() as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with served.client() as client:
        yield client


@pytest.fixture(scope="session")
def oracle() -> SchemaOracle:
    return SchemaOracle.load()
