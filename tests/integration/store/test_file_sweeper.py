"""What broken-off uploads and deletions have left is found, and nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cluster.config.settings.storage import FilesSettings
from cluster.files.model import Purpose, new_file_id
from cluster.files.service import Files
from cluster.files.sweeper import FileSweeper
from cluster.files.upload import Upload
from cluster.store.database import Database
from cluster.store.objects.folder import FolderStorage
from cluster.telemetry.storage_metrics import StorageMetrics
from tests.integration.store.storage_conformance import put
from tests.unit.storage.served import ACME

pytestmark = pytest.mark.integration

SETTINGS = FilesSettings()


class Gateway:
    def __init__(self, database: Database, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.storage = FolderStorage(folder)
        metrics = StorageMetrics(registry=CollectorRegistry())
        self.files = Files(database, self.storage, SETTINGS, metrics, now)
        self.sweeper = FileSweeper(database, self.storage, SETTINGS, metrics, now)

    async def upload(self, content: bytes = b"x", expires_after_s: int | None = None) -> str:
        upload = await self.files.upload(ACME)
        await upload.write(content)
        return (await upload.finish(filename="a", purpose=Purpose.EVALS, expires_after_s=expires_after_s)).id


def objects(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the contents alone: SQLite's database lies above it."""
    made = tmp_path / "contents"
    made.mkdir()
    return made


async def test_only_old_contents_without_a_file_are_orphans(open_database: Callable[[], Database], folder: Path) -> None:
    gateways = [Gateway(open_database(), folder) for _ in range(2)]
    kept = await gateways[0].upload()
    young, old, foreign = new_file_id(), new_file_id(), "notes"
    for name in (young, old, foreign):
        await put(gateways[0].storage, f"{ACME.org_id}/{name}", b"x")
    before = time.time() - SETTINGS.orphan_age_s - 10
    for name in (kept, old, foreign):
        os.utime(folder / ACME.org_id / name, (before, before))
    await asyncio.gather(*(gateway.sweeper.delete_orphans() for gateway in gateways))
    assert objects(folder) == {kept, young, foreign}


async def test_expired_files_are_deleted_by_several_gateways_at_once(open_database: Callable[[], Database], folder: Path) -> None:
    clock = time.time()
    gateways = [Gateway(open_database(), folder, lambda: clock) for _ in range(3)]
    kept = await gateways[0].upload()
    for _ in range(20):
        await gateways[0].upload(expires_after_s=3600)
    clock += 3601
    counts = await asyncio.gather(*(gateway.sweeper.delete_expired() for gateway in gateways))
    assert sum(counts) == 20
    assert objects(folder) == {kept}


async def test_a_crash_between_content_and_row_leaves_an_orphan_and_no_file(
    open_database: Callable[[], Database], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(open_database(), folder)
    upload: Upload = await gateway.files.upload(ACME)
    await upload.write(b"x")

    def die(*_: object) -> None:
        raise KeyError("the process dies here")

    monkeypatch.setattr("cluster.files.upload.quota.lock", die)
    with pytest.raises(KeyError):
        await upload.finish(filename="a", purpose=Purpose.EVALS, expires_after_s=None)
    await upload.close()
    assert len(objects(folder)) == 1
    assert (await gateway.files.page(ACME, purpose=None, after=None, limit=10, order="asc")).files == []
    monkeypatch.undo()
    later = Gateway(open_database(), folder, lambda: time.time() + SETTINGS.orphan_age_s + 10)
    assert await later.sweeper.delete_orphans() == 1
    assert objects(folder) == set()
