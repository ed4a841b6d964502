"""The archive when the exporter dies at any line of folding."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from cluster.telemetry import archive as archive_module
from cluster.telemetry.aggregate import NodeCollector
from cluster.telemetry.multiprocess import ARCHIVE_FILE, FOLDING_FOLDER, Owner
from tests.unit.telemetry.conftest import DEAD, DEAD_WITHOUT_START, Writer


class Died(BaseException):
    """The exporter's process ends here."""


def events(directory: Path) -> float:
    """The counter as a fresh exporter reports it."""
    return sum(s.value for f in NodeCollector(directory).collect() for s in f.samples if s.name == "t_events_total")


@pytest.fixture
def three_dead(writer: Writer) -> float:
    for number in range(3):
        writer.counter(f"{5_000_000 + number}-{number}", 10**number)
    return 111


@pytest.mark.parametrize("operation", ["rename", "replace", "unlink", "write_bytes"])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("survived", [0, 1, 2, 3, 4])
def test_a_crash_at_any_file_operation_loses_and_doubles_nothing(
    tmp_path: Path, three_dead: float, monkeypatch: pytest.MonkeyPatch, operation: str, before: bool, survived: int
) -> None:
    real = getattr(Path, operation)
    calls = 0

    def dying(self: Path, *args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls <= survived:
            return real(self, *args, **kwargs)
        if not before:
            real(self, *args, **kwargs)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Path, operation, dying)
        with contextlib.suppress(Died):
            assert events(tmp_path) == three_dead
    assert events(tmp_path) == three_dead
    assert events(tmp_path) == three_dead
    assert not list(tmp_path.glob("*.db"))
    assert not list((tmp_path / FOLDING_FOLDER).iterdir())


@pytest.mark.parametrize("operation", ["rename", "replace", "unlink", "write_bytes"])
@pytest.mark.parametrize("succeed", [0, 1, 2])
def test_an_error_of_the_disk_leaves_a_running_exporter_exact(
    tmp_path: Path, three_dead: float, monkeypatch: pytest.MonkeyPatch, operation: str, succeed: int
) -> None:
    collector = NodeCollector(tmp_path)
    real = getattr(Path, operation)
    calls = 0

    def failing(self: Path, *args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == succeed + 1:
            raise OSError(5, "Input/output error")
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, operation, failing)
        with contextlib.suppress(OSError):
            list(collector.collect())
    for _ in range(2):
        found = [s.value for f in collector.collect() for s in f.samples if s.name == "t_events_total"]
        assert found == [three_dead]
    assert events(tmp_path) == three_dead
    assert not list((tmp_path / FOLDING_FOLDER).iterdir())


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_costs_no_scrape(
    tmp_path: Path, writer: Writer, me: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, full: int
) -> None:
    """The one thing that tells of the disk must not fail with it."""
    writer.counter(me, 1000)
    collector = NodeCollector(tmp_path)
    list(collector.collect())

    def no_room(self: Path, data: bytes) -> int:
        raise OSError(full, os.strerror(full))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", no_room)
        for ended in range(3):
            writer.counter(f"{5_000_000 + ended}-{ended}", 10**ended)
            found = {s.name: s.value for f in collector.collect() for s in f.samples}
            assert found["t_events_total"] == 1000 + [1, 11, 111][ended]
            assert found["ossature_exporter_folded_processes_total"] == ended + 1
    assert len([record for record in caplog.records if "no room" in record.message]) == 1
    assert events(tmp_path) == 1111
    assert [s.value for f in collector.collect() for s in f.samples if s.name == "t_events_total"] == [1111]
    assert not list((tmp_path / FOLDING_FOLDER).iterdir())


def test_half_written_archive_is_ignored(tmp_path: Path, three_dead: float) -> None:
    assert events(tmp_path) == three_dead
    (tmp_path / f"{ARCHIVE_FILE}.new").write_bytes(b'{"values":[["counter"')
    assert events(tmp_path) == three_dead


def test_damaged_archive_is_an_error_not_a_fresh_start(tmp_path: Path, three_dead: float) -> None:
    assert events(tmp_path) == three_dead
    (tmp_path / ARCHIVE_FILE).write_bytes(b"{")
    with pytest.raises(ValueError):
        events(tmp_path)


class Reincarnation:
    """A process id that becomes alive at the n-th question after it, as when the system gives it out again meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, alive_from: int) -> None:
        self.questions = 0
        self.alive_from = alive_from
        monkeypatch.setattr(Owner, "alive", lambda _: self.ask())

    def ask(self) -> bool:
        self.questions += 1
        return self.questions > self.alive_from


def test_file_that_a_new_process_of_the_same_id_had_opened_is_given_back(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = writer.counter(DEAD_WITHOUT_START, 3)
    inode = path.stat().st_ino
    Reincarnation(monkeypatch, alive_from=1)  # dead in the scan, alive after the move
    assert sum(s.value for f in NodeCollector(tmp_path).collect() for s in f.samples if s.name == "t_events_total") == 0
    assert path.stat().st_ino == inode
    assert events(tmp_path) == 3


def test_file_of_the_dead_is_folded_when_its_successor_has_made_a_new_one(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = writer.counter(DEAD_WITHOUT_START, 3)
    moved = Path.rename

    def rename_then_successor_starts(self: Path, target: Path) -> Path:
        result = moved(self, target)
        writer.counter(DEAD_WITHOUT_START, 4)
        return result

    Reincarnation(monkeypatch, alive_from=1)
    monkeypatch.setattr(Path, "rename", rename_then_successor_starts)
    collector = NodeCollector(tmp_path)
    list(collector.collect())
    assert path.exists()
    assert events(tmp_path) == 7


@pytest.mark.parametrize("die_at", ["link", "unlink"])
def test_a_crash_while_giving_back_doubles_nothing(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_at: str
) -> None:
    writer.counter(DEAD_WITHOUT_START, 3)
    with monkeypatch.context() as patch:
        Reincarnation(patch, alive_from=1)

        def die(*_: object, **__: object) -> None:
            raise Died

        if die_at == "link":
            patch.setattr(archive_module.os, "link", die)
        else:
            patch.setattr(Path, "unlink", die)
        with pytest.raises(Died):
            list(NodeCollector(tmp_path).collect())
    # By now the process has ended for good.
    assert events(tmp_path) == 3
    assert events(tmp_path) == 3


def test_gauges_of_dead_processes_are_not_archived(writer: Writer, tmp_path: Path) -> None:
    writer.gauge(DEAD, "mostrecent", 3)
    writer.gauge(DEAD, "max", 3)
    assert not [f.name for f in NodeCollector(tmp_path).collect() if f.name == "t_level"]
    assert os.listdir(tmp_path / FOLDING_FOLDER) == []
