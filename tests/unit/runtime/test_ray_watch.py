"""A dead Ray is noticed, a slow one is not given up, and a process without Ray ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cluster.runtime import ray_watch
from cluster.runtime.lost_ray import EXIT_CODE
from cluster.runtime.ray_watch import RayWatch

PERIOD_S = 0.02
LOST_AFTER_S = 0.4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_watch, "_PERIOD_S", PERIOD_S)


@pytest.fixture
def watch() -> Iterator[Callable[..., tuple[RayWatch, threading.Event]]]:
    """Starts a watch; its event is set when Ray is lost."""
    started: list[RayWatch] = []

    def begin(alive: Callable[[], bool], lost_after_s: float = LOST_AFTER_S) -> tuple[RayWatch, threading.Event]:
        told = threading.Event()
        made = RayWatch(alive, lost_after_s, lambda _: told.set())
        started.append(made)
        made.start()
        return made, told

    yield begin
    for made in started:
        made.stop()


def test_a_dead_node_is_told_at_once(watch: Callable[..., tuple[RayWatch, threading.Event]]) -> None:
    made, told = watch(lambda: False, 3600.0)
    assert told.wait(10)
    assert made.lost is not None
    assert "raylet" in made.lost


def test_a_call_that_never_comes_back_is_told(watch: Callable[..., tuple[RayWatch, threading.Event]]) -> None:
    forever = threading.Event()
    made, told = watch(forever.wait)
    try:
        assert told.wait(10)
        assert made.lost is not None
        assert "GCS" in made.lost
    finally:
        forever.set()


def test_errors_are_no_answer_and_the_last_one_is_told(watch: Callable[..., tuple[RayWatch, threading.Event]]) -> None:
    def broken() -> bool:
        raise RuntimeError("no connection")

    made, told = watch(broken)
    assert told.wait(10)
    assert made.lost is not None
    assert "no connection" in made.lost


def test_a_service_that_is_back_in_time_is_not_given_up(watch: Callable[..., tuple[RayWatch, threading.Event]]) -> None:
    answers = iter([True])

    def restarting() -> bool:
        if next(answers, False):
            raise RuntimeError("restarting")
        return True

    made, told = watch(restarting)
    assert not told.wait(2 * LOST_AFTER_S)
    assert made.lost is None


def test_a_watch_that_was_stopped_itself_does_not_give_up_a_ray_that_lives() -> None:
    """SIGSTOP to the process for longer than Ray may be silent, as by Ctrl-Z and later ``fg``."""
    program = (
        "import threading, time\n"
        "from cluster.runtime import ray_watch\n"
        f"ray_watch._PERIOD_S = {PERIOD_S}\n"
        f"watch = ray_watch.RayWatch(lambda: True, {LOST_AFTER_S}, lambda reason: print(reason, flush=True))\n"
        "watch.start()\n"
        "print('watching', flush=True)\n"
        "input()\n"
        "time.sleep(0.2)\n"
        "print('lost' if watch.lost else 'alive', flush=True)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            time.sleep(2 * LOST_AFTER_S)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        told, _ = process.communicate("\n", timeout=30)
    assert told == "alive\n"


def test_nothing_is_told_after_the_stop(watch: Callable[..., tuple[RayWatch, threading.Event]]) -> None:
    made, told = watch(lambda: True)
    made.stop()
    assert not told.wait(2 * LOST_AFTER_S)


PROGRAM = """
import atexit, sys, threading, time
atexit.register(time.sleep, 60)  # as Ray's, with nobody to answer it
sys.excepthook = lambda *_: time.sleep(60)
from cluster.runtime import lost_ray
{}
"""


def ended(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(body)], capture_output=True, text=True, timeout=30, check=False)


def test_a_process_without_ray_ends_with_its_error_told() -> None:
    done = ended("lost_ray.leave_without_ray(); raise lost_ray.RayLost('the raylet is gone')")
    assert done.returncode == EXIT_CODE
    assert "RayLost: the raylet is gone" in done.stderr


def test_a_main_thread_that_hangs_in_ray_is_ended() -> None:
    done = ended(
        "lost_ray.LEAVE_WITHIN_S = 0.2\n"
        "stop, ended = threading.Event(), threading.Event()\n"
        "threading.Thread(target=lost_ray.leave_after, args=('no GCS', stop, ended, None)).start()\n"
        "time.sleep(60)"
    )
    assert done.returncode == EXIT_CODE
    assert "the cluster has ended: no GCS" in done.stderr
