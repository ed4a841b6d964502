"""A launcher and the supervisor that its forerunner may have left on a Ray of others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from cluster.config.schema import ClusterConfig
from cluster.runtime import supervisor
from cluster.runtime.preparation import StartError


class FakeRay:
    """Refuses the supervisor's name for the first ``taken`` times that it is asked for."""

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.asked = 0

    def remote(self, _: type) -> FakeRay:
        return self

    def options(self, **options: Any) -> SimpleNamespace:
        assert options["name"] == supervisor.NAME
        return SimpleNamespace(remote=self._start)

    def _start(self, *_: Any) -> Any:
        self.asked += 1
        if self.asked <= self.taken:
            raise ray.exceptions.ActorAlreadyExistsError("taken")
        return SimpleNamespace(watch_nodes=SimpleNamespace(remote=lambda: None))


@pytest.fixture
def config(tmp_path: Path) -> ClusterConfig:
    return ClusterConfig.model_validate({"data_dir": str(tmp_path), "models": [{"id": "m", "source": "m"}]})


def started(monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, taken: int) -> int:
    fake = FakeRay(taken)
    monkeypatch.setattr(ray, "remote", fake.remote)
    monkeypatch.setattr(supervisor, "_POLL_S", 0.01)
    supervisor.start(config, "metrics")
    return fake.asked


def test_a_former_one_is_waited_for(monkeypatch: pytest.MonkeyPatch, config: ClusterConfig) -> None:
    assert started(monkeypatch, config, 0) == 1
    assert started(monkeypatch, config, 3) == 4


def test_one_that_stays_belongs_to_a_cluster_that_runs(monkeypatch: pytest.MonkeyPatch, config: ClusterConfig) -> None:
    monkeypatch.setattr(supervisor, "FORMER_GONE_WITHIN_S", 0.05)
    with pytest.raises(StartError, match="another `ossature serve` has its cluster on this Ray"):
        started(monkeypatch, config, 1_000_000)
