"""What a restore meets in its place: tables of others, a log that SQLite hasn't absorbed, a cluster that starts; forged names."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.backup import databases
from cluster.runtime.backup.manifest import BackupError
from cluster.runtime.backup.restore import restore
from cluster.runtime.preparation import database_url
from cluster.runtime.run_record import AlreadyRunning, RunLock, RunRecord
from cluster.store.database import parse_url
from cluster.store.objects.folder import object_files
from cluster.store.revision import schema_state
from tests.unit.runtime.backup.test_backup import changed, configured, into_front, original

__all__ = ["original"]


def test_tables_of_another_program_are_data_too(original: Path, tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    config.data_dir.mkdir()
    with sqlite3.connect(config.data_dir / "ossature.db") as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    assert not asyncio.run(schema_state(database_url(config), 5.0)).empty
    with pytest.raises(BackupError, match="the database has tables"):
        asyncio.run(restore(config, original))


def test_what_a_log_still_held_stays_with_the_file_that_is_set_aside(tmp_path: Path) -> None:
    """SQLite can't absorb it while a reader of an earlier state is there, as a program that was forgotten may be."""
    path = tmp_path / "cluster.sqlite"
    writer, reader = sqlite3.connect(path), sqlite3.connect(path)
    writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('first')")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
    writer.executescript("INSERT INTO t VALUES ('second')")
    copy = tmp_path / "copy"
    with sqlite3.connect(copy) as made:
        made.execute("CREATE TABLE other (x)")
    made.close()

    databases.load(parse_url(f"sqlite:///{path}"), copy)

    reader.close()
    writer.close()
    (former,) = tmp_path.glob("cluster.sqlite.replaced-*[0-9]")
    with sqlite3.connect(former) as kept:
        assert kept.execute("SELECT x FROM t").fetchall() == [("first",), ("second",)]
    kept.close()
    with sqlite3.connect(path) as now:
        assert now.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]
    now.close()


def test_no_cluster_starts_while_a_backup_is_put_in_place(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path / "data")
    load, starts = databases.load, []

    def started_meanwhile(*arguments: Any) -> None:
        with pytest.raises(AlreadyRunning) as refused:
            RunLock(config.data_dir).acquire(RunRecord(os.getpid(), "r", 0.0))
        starts.append(str(refused.value))
        load(*arguments)

    monkeypatch.setattr(databases, "load", started_meanwhile)
    asyncio.run(restore(config, original))
    assert len(starts) == 1
    assert "restored" in starts[0]
    lock = RunLock(config.data_dir)
    assert lock.acquire(RunRecord(os.getpid(), "r", 0.0)) is None, "and a restore is no run that was interrupted"
    lock.release()


def test_a_cluster_that_has_just_begun_to_start_keeps_a_restore_away(original: Path, tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    lock = RunLock(config.data_dir)
    lock.acquire(RunRecord(os.getpid(), "r", 0.0))
    (config.data_dir / "serve.json").unlink()  # as between the lock and the record
    try:
        with pytest.raises(BackupError, match="a cluster runs from"):
            asyncio.run(restore(config, original, force=True))
    finally:
        lock.release()


def test_the_folder_of_files_itself_stays_since_it_may_be_a_mount(original: Path, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    (mount / "org").mkdir(parents=True)
    (mount / "org/later").write_bytes(b"later")
    before = mount.stat().st_ino
    config = configured(tmp_path / "data", files={"storage_url": str(mount)})
    for kept in (1, 2):
        asyncio.run(restore(config, original, force=True))
        assert mount.stat().st_ino == before
        assert list(object_files(mount)) == ["org/file"]
        asides = sorted(mount.glob("replaced-*.d"))
        assert len(asides) == kept, "each keeps what it replaced, and no earlier one's"
    assert (asides[0] / "org/later").read_bytes() == b"later"
    assert sorted(path.name for path in asides[1].rglob("*")) == ["file", "org"]


def test_a_database_that_cannot_be_put_in_place_leaves_the_files_as_they_were(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path / "data")
    (config.data_dir / "files/org").mkdir(parents=True)
    (config.data_dir / "files/org/later").write_bytes(b"later")

    def refused(*_: Any) -> None:
        raise BackupError("psql failed")

    monkeypatch.setattr(databases, "load", refused)
    with pytest.raises(BackupError, match="psql failed"):
        asyncio.run(restore(config, original, force=True))
    assert sorted(path.name for path in (config.data_dir / "files").rglob("*")) == ["later", "org"]


@pytest.mark.parametrize("name", ["secrets/serve.lock", "secrets/files/org/file", "objects/unfinished.d/x", "objects/.hidden"])
def test_names_that_no_backup_has_are_refused_though_they_lead_nowhere_else(original: Path, tmp_path: Path, name: str) -> None:
    forged = changed(original, tmp_path / "forged.tar", lambda members: into_front(members, name))
    with pytest.raises(BackupError, match="which no backup has"):
        asyncio.run(restore(configured(tmp_path / "data"), forged))
