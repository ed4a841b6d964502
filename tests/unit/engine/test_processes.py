"""Watching and ending an engine's processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess

import pytest

from cluster.engine.processes import EngineProcessDied, EngineProcesses, read_state

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def worker(pids: Connection) -> None:
    pids.send(os.getpid())
    time.sleep(120)


def core(pids: Connection) -> None:
    multiprocessing.get_context("spawn").Process(target=worker, args=(pids,), daemon=True).start()
    time.sleep(120)


@pytest.fixture
def engine() -> Iterator[tuple[BaseProcess, int, EngineProcesses]]:
    """A core with one worker below it, adopted."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=core, args=(theirs,))
    process.start()
    worker_pid = ours.recv()
    processes = EngineProcesses()
    processes.adopt([process])
    yield process, worker_pid, processes
    processes.adopt([process])
    processes.kill()
    process.join(10)


def wait_until_gone(pid: int) -> None:
    deadline_s = time.monotonic() + 10
    while (state := read_state(pid)) is not None and state.state not in "ZXx":
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_living_processes_pass(engine: tuple[BaseProcess, int, EngineProcesses]) -> None:
    engine[2].check()


def test_a_killed_core_is_noticed(engine: tuple[BaseProcess, int, EngineProcesses]) -> None:
    process, _, processes = engine
    process.kill()
    process.join(10)
    with pytest.raises(EngineProcessDied, match=str(process.pid)):
        processes.check()


def test_a_killed_worker_is_noticed(engine: tuple[BaseProcess, int, EngineProcesses]) -> None:
    _, worker_pid, processes = engine
    os.kill(worker_pid, signal.SIGKILL)
    wait_until_gone(worker_pid)
    with pytest.raises(EngineProcessDied, match=str(worker_pid)):
        processes.check()


def test_kill_ends_core_and_worker(engine: tuple[BaseProcess, int, EngineProcesses]) -> None:
    process, worker_pid, processes = engine
    assert process.pid is not None
    processes.kill()
    processes.kill()
    wait_until_gone(process.pid)
    wait_until_gone(worker_pid)


def test_a_process_that_does_not_exist_has_no_state() -> None:
    assert read_state(2**22 + 1) is None
    own = read_state(os.getpid())
    assert own is not None
    assert own.parent_pid == os.getppid()
