"""Making a backup where something is in its way: a folder that can't be read, a link where it is written, a second one at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from cluster.config.schema import ClusterConfig
from cluster.runtime.backup.archive import ArchiveWriter, verified
from cluster.runtime.backup.create import create
from cluster.runtime.backup.manifest import BackupError, Wanted
from cluster.runtime.preparation import database_url, prepare
from cluster.store.schema import upgrade
from tests.unit.runtime.backup.test_backup import configured

FILES = Wanted(objects=True, secrets=False)


@pytest.fixture
def config(tmp_path: Path) -> ClusterConfig:
    made = prepare(configured(tmp_path / "data"))
    asyncio.run(upgrade(database_url(made)))
    for name in ("acme", "globex"):
        (made.data_dir / "files" / name).mkdir(parents=True)
        (made.data_dir / "files" / name / "file").write_bytes(b"content")
    return made


def test_files_that_cannot_be_listed_are_not_left_out_in_silence(
    config: ClusterConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refused(path: Any = ".") -> Any:
        if str(path).endswith("globex"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(BackupError, match="Permission denied"):
        asyncio.run(create(config, tmp_path / "backup.tar", FILES))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_cluster_without_files_yet_has_a_backup(tmp_path: Path) -> None:
    config = prepare(configured(tmp_path / "data"))
    asyncio.run(upgrade(database_url(config)))
    assert asyncio.run(create(config, tmp_path / "backup.tar", FILES)).to_json()["objects"] == 0


def test_what_others_have_put_where_a_backup_is_written_gets_nothing_of_it(config: ClusterConfig, tmp_path: Path) -> None:
    """In a folder that others may write to, they could else read the secrets in it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    elsewhere.chmod(0o666)
    (tmp_path / "backup.tar.partial").symlink_to(elsewhere)
    asyncio.run(create(config, tmp_path / "backup.tar", Wanted(objects=False, secrets=True)))
    assert elsewhere.read_text() == ""
    assert not (tmp_path / "backup.tar").is_symlink()
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0


def test_of_two_backups_to_one_file_neither_spoils_the_other(config: ClusterConfig, tmp_path: Path) -> None:
    target, other = tmp_path / "backup.tar", config.data_dir / "other"
    other.write_bytes(b"x" * 100_001)
    with ArchiveWriter(target) as unfinished:
        unfinished.add("database", other)
        asyncio.run(create(config, target, FILES))
    assert verified(target).count("objects/") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "data"]
