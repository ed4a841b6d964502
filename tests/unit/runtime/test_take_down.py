"""What the end of a cluster ends: all of a Ray of its own, and nothing of others on a Ray that runs already."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray import serve as ray_serve
from ray.serve.exceptions import RayServeException

from cluster import app
from cluster.config.schema import ClusterConfig
from cluster.runtime import launch, processes
from cluster.runtime.lost_ray import LAST_WORD_S

RUN = "test-of-take-down"


def config(tmp_path: Path, address: str | None) -> ClusterConfig:
    return ClusterConfig.model_validate({"ray": {"address": address}, "models": [{"id": "m", "source": str(tmp_path)}]})


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was ended: ``*`` for the whole of Serve, else the application's name."""
    calls: list[str] = []
    monkeypatch.setattr(ray_serve, "shutdown", lambda: calls.append("*"))
    monkeypatch.setattr(ray_serve, "delete", calls.append)
    return calls


def test_a_start_that_failed_before_serve_ends_without_a_second_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_serve(name: str) -> None:
        raise RayServeException(f"no Serve for {name}")

    monkeypatch.setattr(ray_serve, "delete", no_serve)
    launch._end_application()


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


def test_on_a_ray_of_our_own_replicas_drain_before_serve_ends_as_a_whole(
    tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append("ray"))
    monkeypatch.setattr(launch, "last_word", lambda run_id: ended.append("engines"))
    launch._take_down(config(tmp_path, None), RUN, lost=False)
    assert ended == [app.NAME, "*", "ray"]
    assert left == []


def test_what_does_not_drain_in_time_is_told_while_serve_lives(
    tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forever = threading.Event()
    monkeypatch.setattr(ray_serve, "delete", lambda name: forever.wait())
    monkeypatch.setattr(launch, "_DRAIN_S", 0.05)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append("ray"))
    monkeypatch.setattr(launch, "last_word", lambda run_id: ended.append(f"engines of {run_id}"))
    launch._take_down(config(tmp_path, None), RUN, lost=False)
    forever.set()
    assert ended == [f"engines of {RUN}", "*", "ray"]
    assert left == []


def test_a_ray_that_ends_leaves_the_exit_code_alone(
    tmp_path: Path, ended: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append("ray"))
    launch._take_down(config(tmp_path, "auto"), "run", lost=False)
    assert ended == [app.NAME, "ray"]
    assert left == []


ENGINE = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
connection, _ = listening.accept()
connection.recv(1)
"""
GATEWAY = """
import socket, sys, time
engine = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("up", flush=True)
engine.recv(1)
time.sleep(0.2)
print("told", flush=True)
time.sleep(60)
"""


@contextmanager
def process(title: str, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of the run ``RUN`` that has this title."""
    command, environment = [title, "-c", program, *arguments], {processes.RUN_VARIABLE: RUN}
    with subprocess.Popen(command, executable=sys.executable, env=environment, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def test_of_a_dead_ray_engines_end_first_so_that_gateways_can_tell_their_clients(tmp_path: Path, left: list[str]) -> None:
    with (
        process(f"ray::ServeReplica:{app.NAME}:{app.engine_deployment_name('m')}", ENGINE) as engine,
        process(f"ray::ServeReplica:{app.NAME}:{app.GATEWAY}", GATEWAY, line(engine)) as gateway,
    ):
        assert line(gateway) == "up"
        launch._take_down(config(tmp_path, None), RUN, lost=True)
        assert (engine.wait(10), gateway.wait(10)) == (-signal.SIGKILL, -signal.SIGTERM)
        assert line(gateway) == "told"
    assert left == ["left"]


def test_nothing_is_waited_for_where_no_engine_was_left(tmp_path: Path, left: list[str]) -> None:
    with process("ray::ServeReplica:other:engine:m", "print('up', flush=True); import time; time.sleep(60)") as other:
        assert line(other) == "up"
        began_s = time.monotonic()
        launch._take_down(config(tmp_path, None), RUN, lost=True)
        assert other.wait(10) == -signal.SIGTERM
        assert time.monotonic() - began_s < LAST_WORD_S
