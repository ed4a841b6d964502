from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.telemetry.aggregate import NodeCollector
from cluster.telemetry.multiprocess import Owner, ProcessIdentifier, prepare_directory, start_ticks
from tests.unit.telemetry.conftest import DEAD, Writer


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


def test_new_life_of_the_cluster_starts_from_nothing(writer: Writer, tmp_path: Path) -> None:
    writer.counter(DEAD, 3)
    (tmp_path / "organizations").write_text("\na\n")
    (tmp_path / "archive.json").write_text("{}")
    (tmp_path / "archive.json.new").write_text("{")
    (tmp_path / "folding").mkdir()
    (tmp_path / "folding" / "x~counter_1.db").write_bytes(b"")
    prepare_directory(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"lock", "folding"}


def test_only_the_first_of_a_generation_empties_the_folder(writer: Writer, tmp_path: Path) -> None:
    writer.counter("1-1", 3)
    prepare_directory(tmp_path, "first")
    assert not list(tmp_path.glob("*.db"))
    writer.counter("2-1", 3)
    prepare_directory(tmp_path, "first")
    assert len(list(tmp_path.glob("*.db"))) == 1
    prepare_directory(tmp_path, "second")
    assert not list(tmp_path.glob("*.db"))


def test_preparing_makes_the_folder_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "metrics" / "node"
    prepare_directory(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_archive_is_forgotten_with_the_folder(writer: Writer, tmp_path: Path) -> None:
    collector = NodeCollector(tmp_path)
    writer.counter(DEAD, 3)
    list(collector.collect())
    prepare_directory(tmp_path)
    assert not [f for f in collector.collect() if f.name == "t_events"]
