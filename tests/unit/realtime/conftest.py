from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.realtime.fake_cluster import Cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster().served() as running:
        yield running


@pytest.fixture
async def silent_cluster() -> AsyncIterator[Cluster]:
    """Without speech."""
    async with Cluster(speaks=False).served() as running:
        yield running
