"""Whose processor time is counted, and how much."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import procfs
from bench.procfs import ProcessTime

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def stat_text(name: str = "router", user: int = 0, system: int = 0, started: int = 77, parent: int = 1) -> str:
    fields = ["S", str(parent), *["0"] * 9, str(user), str(system), *["0"] * 6, str(started), "0", "0"]
    return f"42 ({name}) {' '.join(fields)}\n"


@pytest.mark.parametrize("name", ["router", "ray::Serve (x) y", "a) b"])
def test_user_and_system_time_add_up_whatever_the_name(name: str) -> None:
    assert procfs.parse_stat(stat_text(name, user=3 * TICKS_PER_S, system=TICKS_PER_S // 2)) == (77, 3.5)


def test_a_process_that_came_counts_in_full_and_one_that_went_not_at_all() -> None:
    before = {(1, 10): ProcessTime("router", 5.0), (2, 10): ProcessTime("front end", 1.0), (3, 10): ProcessTime("router", 9.0)}
    after = {(1, 10): ProcessTime("router", 5.5), (2, 10): ProcessTime("front end", 1.25), (4, 20): ProcessTime("router", 0.25)}
    assert procfs.used(before, after) == {"router": 0.75, "front end": 0.25}


def test_an_id_that_is_used_again_is_another_process() -> None:
    before = {(1, 10): ProcessTime("router", 5.0)}
    after = {(1, 99): ProcessTime("router", 0.5)}
    assert procfs.used(before, after) == {"router": 0.5}


@pytest.fixture
def fake_proc(tmp_path: Path) -> Path:
    """A root (100) with a marked child that has lost its parent (101), whose child wrote over its environment (102); a stranger."""
    mark = f"{procfs.MARK}=mine".encode()
    for pid, parent, environment in ((100, 1, b""), (101, 1, mark), (102, 101, b""), (103, 1, b"OTHER=mine")):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(stat_text(parent=parent, user=TICKS_PER_S, started=pid))
        (folder / "environ").write_bytes(b"A=1\0" + environment + b"\0B=2\0")
        (folder / "cmdline").write_bytes(b"program\0--flag\0" + b"\0" * 20)
    (tmp_path / "meminfo").write_text("not a process")
    return tmp_path


def test_a_family_is_found_by_descent_and_by_mark(fake_proc: Path) -> None:
    assert procfs.family(100, "mine", fake_proc) == {100, 101, 102}
    assert procfs.family(103, "nobody's", fake_proc) == {103}


def test_a_snapshot_sorts_processes_by_their_titles(fake_proc: Path) -> None:
    taken = procfs.snapshot([100, 555], lambda title: f"<{title}>", fake_proc)
    assert taken == {(100, 100): ProcessTime("<program --flag>", 1.0)}


@pytest.fixture
def busy_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()


def test_what_a_busy_process_uses_is_seen(busy_process: subprocess.Popen[bytes]) -> None:
    def taken() -> procfs.Snapshot:
        return procfs.snapshot(procfs.family(busy_process.pid, "none"), lambda _: "router")

    before = taken()
    deadline = time.monotonic() + 30.0
    used_s = 0.0
    while used_s < 0.05 and time.monotonic() < deadline:
        time.sleep(0.05)
        used_s = procfs.used(before, taken())["router"]
    assert used_s >= 0.05
