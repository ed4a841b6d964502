"""What the end of a cluster ends: all of a Ray of its own, and nothing of others on a Ray that runs already."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import ray
from ray import serve as ray_serve
from ray.serve.exceptions import RayServeException

from cluster import app
from cluster.config.schema import ClusterConfig
from cluster.runtime import launch


def config(tmp_path: Path, address: str | None) -> ClusterConfig:
    return ClusterConfig.model_validate({"ray": {"address": address}, "models": [{"id": "m", "source": str(tmp_path)}]})


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was ended: ``*`` for the whole of Serve, else the application's name."""
    calls: list[str] = []
    monkeypatch.setattr(ray_serve, "shutdown", lambda: calls.append("*"))
    monkeypatch.setattr(ray_serve, "delete", calls.append)
    return calls


def test_serve_ends_as_a_whole_on_a_ray_of_our_own(tmp_path: Path, ended: list[str]) -> None:
    launch._end_application(config(tmp_path, None))
    assert ended == ["*"]


def test_only_our_application_ends_on_a_ray_that_others_use(tmp_path: Path, ended: list[str]) -> None:
    launch._end_application(config(tmp_path, "auto"))
    assert ended == [app.NAME]


def test_a_start_that_failed_before_serve_ends_without_a_second_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_serve(name: str) -> None:
        raise RayServeException(f"no Serve for {name}")

    monkeypatch.setattr(ray_serve, "delete", no_serve)
    launch._end_application(config(tmp_path, "auto"))


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whether the process was made to end without Ray."""
    calls: list[str] = []
    monkeypatch.setattr(launch, "leave_without_ray", lambda: calls.append("left"))
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    return calls


def test_of_a_dead_ray_nothing_is_asked(tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append("ray"))
    launch._take_down(config(tmp_path, "auto"), "run", lost=True)
    assert ended == []
    assert left == ["left"]


def test_a_ray_that_does_not_end_is_not_waited_for(
    tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forever = threading.Event()
    monkeypatch.setattr(ray, "shutdown", forever.wait)
    monkeypatch.setattr(launch, "_RAY_SHUTDOWN_S", 0.05)
    launch._take_down(config(tmp_path, "auto"), "run", lost=False)
    forever.set()
    assert ended == [app.NAME]
    assert left == ["left"]


def test_a_ray_that_ends_leaves_the_exit_code_alone(
    tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append("ray"))
    launch._take_down(config(tmp_path, "auto"), "run", lost=False)
    assert ended == [app.NAME, "ray"]
    assert left == []
