from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.telemetry.multiprocess import Owner, ProcessIdentifier, start_ticks


def test_a_process_lives_until_it_ends_even_if_nobody_waited_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(process.pid, start_ticks(process.pid))
    assert owner.alive()
    assert Owner(process.pid, None).alive()
    process.kill()
    deadline = time.monotonic() + 10
    while owner.alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not owner.alive()  # a zombie by now
    assert Path(f"/proc/{process.pid}").exists()
    process.communicate()
    assert not Owner(process.pid, None).alive()


def test_other_start_time_means_other_process() -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    assert not Owner(os.getpid(), ticks - 1).alive()


def test_a_name_with_spaces_and_parentheses_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "60"])
    try:
        assert Owner(process.pid, start_ticks(process.pid)).alive()
        assert start_ticks(process.pid) == pytest.approx(start_ticks(os.getpid()), abs=1e9)
        assert (start_ticks(process.pid) or 0) >= (start_ticks(os.getpid()) or 0)
    finally:
        process.kill()
        process.wait()


def test_identifier_changes_with_a_fork() -> None:
    identifier = ProcessIdentifier()
    mine = identifier()
    assert mine == f"{os.getpid()}-{start_ticks(os.getpid())}"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, identifier().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100).decode()
    assert theirs.startswith(f"{child}-")
    assert identifier() == mine
