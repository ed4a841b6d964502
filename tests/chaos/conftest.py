"""One cluster for most cases. It is expected to come back whole from each; the next case waits for that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.fakes.slowness import FOLDER_VARIABLE
from tests.chaos import postgres
from tests.chaos.cluster import SLOWNESS, ChaosCluster, running

WHOLE_WITHIN_S = 120.0


@pytest.fixture(scope="session")
def database() -> Iterator[postgres.Server]:
    with postgres.server() as server:
        yield server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, database: postgres.Server) -> Iterator[ChaosCluster]:
    folder = tmp_path_factory.mktemp("chaos")
    (slowness := folder / SLOWNESS).mkdir()
    with running(folder, {"database": {"url": database.url}}, variables={FOLDER_VARIABLE: str(slowness)}) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: ChaosCluster) -> ChaosCluster:
    """The shared cluster, whole."""
    shared.await_whole(WHOLE_WITHIN_S)
    return shared
