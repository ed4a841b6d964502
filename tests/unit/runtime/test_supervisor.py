"""A launcher and the supervisor that its forerunner may have left on a Ray of others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.serve._private.constants import SERVE_CONTROLLER_NAME

from cluster.config.schema import ClusterConfig
from cluster.runtime import launch, supervisor
from cluster.runtime.preparation import StartError


class FakeRay:
    """Refuses the supervisor's name for the first ``taken`` times that it is asked for. ``said``: what it was told, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, taken: int, controller: Sequence[str] = ()) -> None:
        """``controller``: states of Serve's controller, one for each time that somebody looks; then it is alive."""
        self.taken = taken
        states = iter(controller)
        monkeypatch.setattr(
            ray._private.state, "actors", lambda: {"a": {"Name": SERVE_CONTROLLER_NAME, "State": next(states, "ALIVE")}}
        )
        self.said: list[str] = []
        monkeypatch.setattr(launch, "start_ray", lambda config, run_id: self.said.append("join"))
        monkeypatch.setattr(ray, "shutdown", lambda: self.said.append("leave"))
        monkeypatch.setattr(ray, "remote", lambda kind: self)

    def options(self, **options: Any) -> SimpleNamespace:
        assert options["name"] == supervisor.NAME
        return SimpleNamespace(remote=self._start)

    def _start(self, *_: Any) -> Any:
        self.taken -= 1
        if self.taken >= 0:
            raise ray.exceptions.ActorAlreadyExistsError("taken")
        self.said.append("start")
        return SimpleNamespace(watch_nodes=SimpleNamespace(remote=lambda: None))


@pytest.fixture
def config(tmp_path: Path) -> ClusterConfig:
    return ClusterConfig.model_validate({"data_dir": str(tmp_path), "models": [{"id": "m", "source": "m"}]})


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    monkeypatch.setattr(launch, "_POLL_S", 0.01)
    return threading.Event()


def start(config: ClusterConfig, stop: threading.Event) -> None:
    launch._with_supervisor(config, "run", lambda: supervisor.start(config, "metrics"), stop)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_ray_is_joined_anew_until_the_former_one_has_gone(
    monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, stop: threading.Event, taken: int
) -> None:
    fake = FakeRay(monkeypatch, taken)
    start(config, stop)
    assert fake.said == ["join", "leave"] * taken + ["join", "start"]


def test_ray_is_joined_anew_until_serves_controller_runs_again(
    monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, stop: threading.Event
) -> None:
    fake = FakeRay(monkeypatch, 1, ["RESTARTING", "PENDING_CREATION", "ALIVE", "RESTARTING"])
    start(config, stop)
    assert fake.said == ["join", "leave"] * 4 + ["join", "start"]


def test_a_controller_that_stays_away_is_named(
    monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, stop: threading.Event
) -> None:
    monkeypatch.setattr(launch, "_SETTLED_WITHIN_S", 0.05)
    FakeRay(monkeypatch, 0, ["RESTARTING"] * 1000)
    with pytest.raises(StartError, match="controller on this Ray does not come up"):
        start(config, stop)


def test_one_that_stays_belongs_to_a_cluster_that_runs(
    monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, stop: threading.Event
) -> None:
    monkeypatch.setattr(launch, "_SETTLED_WITHIN_S", 0.05)
    FakeRay(monkeypatch, 1_000_000)
    with pytest.raises(StartError, match="another `ossature serve` has its cluster on this Ray"):
        start(config, stop)


def test_who_stops_meanwhile_waits_no_longer(monkeypatch: pytest.MonkeyPatch, config: ClusterConfig, stop: threading.Event) -> None:
    fake = FakeRay(monkeypatch, 1_000_000)
    stop.set()
    with pytest.raises(StartError, match="stopped"):
        start(config, stop)
    assert fake.said == ["join", "leave"]
