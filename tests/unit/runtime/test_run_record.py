"""One cluster a data folder, and what a killed one leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.runtime import processes
from cluster.runtime.run_record import AlreadyRunning, RunLock, RunRecord, running

RECORD = RunRecord(pid=4711, run_id="abc", started_unix_s=1.0)


def test_a_folder_without_a_run_has_none(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    assert running(tmp_path / "missing") is None


def test_a_held_folder_refuses_a_second_run_and_names_the_first(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    assert lock.acquire(RECORD) is None
    assert running(tmp_path) == RECORD
    with pytest.raises(AlreadyRunning, match="4711"):
        RunLock(tmp_path).acquire(RunRecord(1, "x", 0.0))
    lock.release()
    assert running(tmp_path) is None


def test_a_killed_run_frees_the_folder_and_is_reported_to_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from cluster.runtime.run_record import *;"
        f"RunLock(Path({str(tmp_path)!r})).acquire(RunRecord(os.getpid(), 'dead', 0.0)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert running(tmp_path) is None
    interrupted = RunLock(tmp_path).acquire(RECORD)
    assert interrupted is not None
    assert interrupted.run_id == "dead"


def test_every_process_of_a_run_is_found_and_ended() -> None:
    run_id = "test-of-processes"
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn], env={processes.RUN_VARIABLE: run_id}, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert processes.of_run(run_id) == [child.pid]
    assert processes.end_all(run_id, grace_s=0.3) == [child.pid]
    assert child.wait(5) == -9
    assert processes.of_run(run_id) == []


def test_looking_whether_a_cluster_runs_keeps_none_from_starting(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.acquire(RECORD)
    lock.release()
    code = f"from pathlib import Path; from cluster.runtime.run_record import running\nwhile True: running(Path({str(tmp_path)!r}))"
    looker = subprocess.Popen([sys.executable, "-c", code])
    try:
        for _ in range(50):
            lock.acquire(RECORD)
            lock.release()
    finally:
        looker.kill()
        looker.wait()
