"""What a backup refuses: damage, foreign names, other databases, newer schemas, a cluster that runs; and the commands."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.backup import databases
from cluster.runtime.backup.archive import verified
from cluster.runtime.backup.create import create
from cluster.runtime.backup.manifest import BackupError, Manifest, Wanted
from cluster.runtime.backup.restore import restore
from cluster.runtime.preparation import database_url, prepare
from cluster.runtime.run_record import RunLock, RunRecord
from cluster.store.database import parse_url
from cluster.store.schema import upgrade
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]

DATABASE_ONLY = Wanted(objects=False, secrets=False)


def configured(folder: Path, **sections: Any) -> ClusterConfig:
    return ClusterConfig.model_validate({"data_dir": folder, "models": [{"id": "m", "source": "org/model"}], **sections})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with everything."""
    folder = tmp_path_factory.mktemp("original")
    config = prepare(configured(folder / "data"))
    asyncio.run(upgrade(database_url(config)))
    (config.data_dir / "files/org").mkdir(parents=True)
    (config.data_dir / "files/org/file").write_bytes(b"content")
    asyncio.run(create(config, folder / "backup.tar", Wanted(objects=True, secrets=True)))
    return folder / "backup.tar"


Change = Callable[[dict[str, bytes]], object]


def changed(original: Path, target: Path, change: Change) -> Path:
    """The backup with other members."""
    with tarfile.open(original) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(target, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def edited(original: Path, target: Path, **fields: Any) -> Path:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | fields).encode()

    return changed(original, target, change)


def into_front(members: dict[str, bytes], name: str) -> None:
    """The manifest must stay last."""
    manifest = members.pop("manifest.json")
    members[name] = b"x"
    members["manifest.json"] = manifest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda members: members.update(database=members["database"][:-1] + b"!"), "database differs"),
        (lambda members: members.pop("objects/org/file"), "objects/org/file differs"),
        (lambda members: members.pop("manifest.json"), "never finished"),
        (lambda members: into_front(members, "objects/extra"), "objects/extra differs"),
        (lambda members: into_front(members, "objects/../../escaped"), "which no backup has"),
        (lambda members: into_front(members, "/etc/escaped"), "which no backup has"),
        (lambda members: members.update({"later": b"x"}), "behind its manifest"),
    ],
)
def test_a_backup_that_is_not_as_its_manifest_says_is_refused_and_nothing_is_put_in_place(
    original: Path, tmp_path: Path, change: Change, told: str
) -> None:
    broken = changed(original, tmp_path / "broken.tar", change)
    config = configured(tmp_path / "data")
    with pytest.raises(BackupError, match=told):
        asyncio.run(restore(config, broken))
    assert list(config.data_dir.iterdir()) == []
    assert not (tmp_path / "escaped").exists()


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        info = tarfile.TarInfo("objects/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(BackupError, match="no plain file"):
        verified(tmp_path / "links.tar", tmp_path / "into")


def test_a_file_cut_off_and_one_that_is_no_archive_are_refused(original: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.tar").write_bytes(original.read_bytes()[:20_000])
    (tmp_path / "text").write_text("no archive")
    for name in ("cut.tar", "text", "absent"):
        with pytest.raises(BackupError):
            verified(tmp_path / name)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"format": 99}, "format 99"),
        ({"schema_revision": "9999"}, "revision 9999, which this version doesn't know"),
        ({"dialect": "postgresql"}, "is of postgresql"),
    ],
)
def test_a_backup_of_another_kind_or_a_newer_version_is_refused(
    original: Path, tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(BackupError, match=told):
        asyncio.run(restore(configured(tmp_path / "data"), edited(original, tmp_path / "other.tar", **fields)))


def test_a_restore_under_a_cluster_that_runs_is_refused_even_when_forced(original: Path, tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    lock = RunLock(config.data_dir)
    lock.acquire(RunRecord(os.getpid(), "r", 0.0))
    try:
        with pytest.raises(BackupError, match="a cluster runs from"):
            asyncio.run(restore(config, original, force=True))
    finally:
        lock.release()


def test_a_forced_restore_keeps_the_former_database_with_what_its_log_held(original: Path, tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    asyncio.run(restore(config, original))
    import sqlite3

    with sqlite3.connect(config.data_dir / "ossature.db") as connection:
        connection.execute("INSERT INTO organizations VALUES ('org_1', 'later', 0)")
    connection.close()
    asyncio.run(restore(config, original, force=True))
    (former,) = config.data_dir.glob("ossature.db.replaced-*")
    with sqlite3.connect(former) as connection:
        assert connection.execute("SELECT name FROM organizations").fetchall() == [("later",)]
    with sqlite3.connect(config.data_dir / "ossature.db") as connection:
        assert connection.execute("SELECT name FROM organizations").fetchall() == []


def test_a_backup_is_never_written_over_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    (tmp_path / "there.tar").write_text("kept")
    with pytest.raises(BackupError, match="there is no database"):
        asyncio.run(create(config, tmp_path / "new.tar", DATABASE_ONLY))
    assert [path.name for path in tmp_path.iterdir()] == ["there.tar"]
    with pytest.raises(BackupError, match="exists already"):
        asyncio.run(create(config, tmp_path / "there.tar", DATABASE_ONLY))
    assert (tmp_path / "there.tar").read_text() == "kept"


def test_files_in_an_object_store_are_not_taken_along_in_silence(tmp_path: Path) -> None:
    config = configured(tmp_path / "data", files={"storage_url": "s3://bucket/files"})
    with pytest.raises(BackupError, match="--no-files"):
        raise_with_step(lambda: asyncio.run(create(config, tmp_path / "new.tar", Wanted(objects=True, secrets=False))))


def raise_with_step(call: Callable[[], object]) -> None:
    try:
        call()
    except BackupError as error:
        raise BackupError(f"{error.message} {error.next_step}") from error


def test_missing_programs_of_postgresql_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed") as caught:
        databases.dump(parse_url("postgresql+asyncpg://u:p@127.0.0.1/x"), tmp_path / "dump")
    assert "postgresql-client" in (caught.value.next_step or "")


def test_a_failing_program_is_reported_without_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" > "$0.arguments"\necho "pg_dump: error: connection refused" >&2\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BackupError, match="connection refused") as caught:
        databases.dump(parse_url("postgresql+asyncpg://u:hunter2@127.0.0.1/x"), tmp_path / "dump")
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in (tmp_path / "pg_dump.arguments").read_text()


def test_the_commands_make_verify_and_restore(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text("data_dir: data\nmodels: [{id: m, source: org/model}]\n")
    config = prepare(configured(tmp_path / "data"))
    asyncio.run(upgrade(database_url(config)))
    made = run("backup", "create", "b.tar", "--config", "cluster.yaml", "--json")
    assert json.loads(made.stdout)["secrets"] is None
    assert json.loads(run("backup", "verify", "b.tar", "--json").stdout) == json.loads(made.stdout)
    refused = run("backup", "restore", "b.tar", "--config", "cluster.yaml")
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert run("backup", "restore", "b.tar", "--config", "cluster.yaml", "--force").exit_code == 0


def test_a_summary_tells_what_is_in_it(original: Path) -> None:
    manifest: Manifest = verified(original)
    told = manifest.to_json()
    assert (told["database"], told["objects"], told["secrets"]) == ("sqlite", 1, 1)
