"""Adapter files on a replica's disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from cluster.engine.adapters.errors import AdapterUnreachable, AdapterUnusable
from cluster.engine.adapters.folder import AdapterFolder, claim, folder_name
from cluster.engine.contract import Adapter
from cluster.tuned.adapter_files import CONFIG_FILE, WEIGHTS_FILE, read_shape
from tests.unit.engine.adapters.stored import FakeStorage, put


class Disk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "cache"
        self.storage = FakeStorage(path / "store")

    async def put(self, name: str, seed: int) -> Adapter:
        return await put(self.storage, self.path / "files", name, seed=seed)

    async def open(self, capacity_bytes: int = 1 << 20) -> AdapterFolder:
        folder = AdapterFolder(self.root, self.storage, capacity_bytes, settle_s=0.0)
        await folder.open()
        return folder

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.root.iterdir()}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


async def test_an_adapter_is_fetched_once_and_is_whole(disk: Disk) -> None:
    adapter = await disk.put("a", 1)
    folder = await disk.open()
    path = await folder.pin(adapter)
    assert read_shape(path).rank == 4
    assert sorted(file.name for file in path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    assert await folder.pin(adapter) == path
    assert len(disk.storage.reads) == 2
    assert folder.size_bytes == adapter.size_bytes


async def test_all_that_want_it_wait_for_one_fetch_whoever_gives_up(disk: Disk) -> None:
    adapter = await disk.put("a", 1)
    folder = await disk.open()
    disk.storage.go.clear()
    first, second = (asyncio.create_task(folder.pin(adapter)) for _ in range(2))
    await disk.storage.asked.wait()
    first.cancel()
    disk.storage.go.set()
    assert (await second).name == folder_name(adapter)
    assert len(disk.storage.reads) == 2


async def test_the_least_lately_used_goes_and_none_that_is_in_use(disk: Disk) -> None:
    a, b, c, d = [await disk.put(name, seed) for seed, name in enumerate("abcd")]
    folder = await disk.open(2 * a.size_bytes + 100)
    for adapter in (a, b):
        await folder.pin(adapter)
        folder.unpin(adapter)
    await folder.pin(a)
    await folder.pin(c)
    assert disk.names == {folder_name(a), folder_name(c)}
    with pytest.raises(AdapterUnreachable, match="full of those that are in use"):
        await folder.pin(d)
    folder.unpin(a)
    await folder.pin(d)
    assert disk.names == {folder_name(c), folder_name(d)}
    assert folder.size_bytes <= 2 * a.size_bytes + 100


async def test_what_was_used_a_moment_ago_stays_until_the_engine_has_let_go(disk: Disk) -> None:
    a, b = await disk.put("a", 1), await disk.put("b", 2)
    folder = AdapterFolder(disk.root, disk.storage, a.size_bytes + 100, settle_s=0.2)
    await folder.open()
    await folder.pin(a)
    folder.unpin(a)
    fetching = asyncio.create_task(folder.pin(b))
    await asyncio.sleep(0.05)
    assert folder_name(a) in disk.names
    await fetching
    assert disk.names == {folder_name(b)}


async def test_one_that_could_never_fit_is_told_so(disk: Disk) -> None:
    adapter = await disk.put("a", 1)
    folder = await disk.open(adapter.size_bytes - 1)
    with pytest.raises(AdapterUnusable, match="more than a replica of its base may keep"):
        await folder.pin(adapter)


@pytest.mark.parametrize("file", ["config", "weights"])
async def test_a_digest_that_is_not_the_registered_one_is_refused_and_leaves_nothing(disk: Disk, file: str) -> None:
    adapter = await disk.put("a", 1)
    wrong = msgspec.structs.replace(adapter, **{file: msgspec.structs.replace(getattr(adapter, file), sha256="0" * 64)})
    folder = await disk.open()
    with pytest.raises(AdapterUnusable, match="damaged"):
        await folder.pin(wrong)
    assert disk.names == set()
    assert folder.size_bytes == 0


async def test_content_that_changed_in_the_store_is_refused(disk: Disk) -> None:
    adapter = await disk.put("a", 1)
    path = disk.path / "store" / adapter.weights.key
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(AdapterUnusable, match="damaged"):
        await (await disk.open()).pin(adapter)


async def test_missing_files_and_a_store_that_is_gone_are_different_faults(disk: Disk) -> None:
    adapter = await disk.put("a", 1)
    folder = await disk.open()
    disk.storage.broken = True
    with pytest.raises(AdapterUnreachable):
        await folder.pin(adapter)
    disk.storage.broken = False
    await disk.storage.delete(adapter.weights.key)
    with pytest.raises(AdapterUnusable, match="missing"):
        await folder.pin(adapter)
    assert disk.names == set()


async def test_what_an_earlier_life_left_is_used_if_it_is_whole(disk: Disk) -> None:
    a, b = await disk.put("a", 1), await disk.put("b", 2)
    earlier = await disk.open()
    for adapter in (a, b):
        await earlier.pin(adapter)
    (disk.root / folder_name(b) / WEIGHTS_FILE).write_bytes(b"x" * b.weights.size_bytes)
    (disk.root / "incoming-1234").mkdir()
    disk.storage.reads.clear()
    folder = await disk.open()
    assert disk.names == {folder_name(a), folder_name(b)}
    await folder.pin(a)
    assert disk.storage.reads == []
    await folder.pin(b)
    assert disk.storage.reads == [b.config.key, b.weights.key]
    assert read_shape(disk.root / folder_name(b)).rank == 4


async def test_a_smaller_bound_than_before_holds_from_the_start(disk: Disk) -> None:
    a, b = await disk.put("a", 1), await disk.put("b", 2)
    earlier = await disk.open()
    for adapter in (a, b):
        await earlier.pin(adapter)
    folder = await disk.open(a.size_bytes + 100)
    assert len(disk.names) == 1
    assert folder.size_bytes <= a.size_bytes + 100


def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    first, held = claim(tmp_path)
    second, other = claim(tmp_path)
    assert first != second
    held.close()
    third, again = claim(tmp_path)
    assert third == first
    other.close()
    again.close()


async def test_two_fetches_at_once_never_take_more_than_the_bound(disk: Disk) -> None:
    a, b = await disk.put("a", 1), await disk.put("b", 2)
    folder = await disk.open(a.size_bytes + 100)
    disk.storage.go.clear()
    first = asyncio.create_task(folder.pin(a))
    await disk.storage.asked.wait()
    with pytest.raises(AdapterUnreachable):
        await folder.pin(b)
    disk.storage.go.set()
    await first
    assert disk.names == {folder_name(a)}
