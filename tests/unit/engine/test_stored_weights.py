"""Weights of the store as a folder on a node: whole and checked, linked or fetched, shared, and gone when nobody needs them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cluster.engine import stored_weights
from cluster.engine.stored_weights import WeightsUnusable, place
from cluster.store.objects.folder import FolderStorage
from cluster.tuned.contents import merged
from cluster.tuned.weights import StoredWeights
from tests.unit.tuned.whole_models import write_whole

LOCATION = "org_a/0123-4567"


class Store:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.storage = FolderStorage(self.root)

    async def put(self, model: Path, location: str = LOCATION) -> StoredWeights:
        contents = merged(model, 1 << 30)
        for key, part in zip(contents.keys(location), contents.parts, strict=True):
            writer = await self.storage.create(key)
            await writer.write(part.content if isinstance(part.content, bytes) else part.content.read_bytes())
            await writer.commit()
        return StoredWeights(location, contents.digests[0], contents.sizes[0])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_whole(tmp_path / "run", files=2)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("linked", [True, False])
async def test_the_folder_has_the_files_under_their_names(store: Store, model: Path, tmp_path: Path, linked: bool) -> None:
    weights = await store.put(model)
    placed = await place(weights, store.storage, store.root if linked else None, tmp_path / "cache")
    assert contents_of(placed.folder) == contents_of(model)
    assert {path.is_symlink() for path in placed.folder.iterdir()} == {linked}
    placed.release()


async def test_what_is_there_is_used_again_and_shared(store: Store, model: Path, tmp_path: Path) -> None:
    weights = await store.put(model)
    first = await place(weights, store.storage, None, tmp_path / "cache")
    for path in store.root.rglob("file-*"):
        path.unlink()
    second = await place(weights, store.storage, None, tmp_path / "cache")
    assert second.folder == first.folder
    first.release()
    second.release()


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("damage", ["a file", "a missing file", "the manifest"])
async def test_damage_is_found_and_nothing_stays(store: Store, model: Path, tmp_path: Path, linked: bool, damage: str) -> None:
    weights = await store.put(model)
    path = store.root / LOCATION / ("manifest" if damage == "the manifest" else "file-2")
    if damage == "a missing file":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    with pytest.raises(WeightsUnusable):
        await place(weights, store.storage, store.root if linked else None, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").glob("*") if path.is_dir()] == []


async def test_a_damaged_folder_is_made_anew(store: Store, model: Path, tmp_path: Path) -> None:
    weights = await store.put(model)
    placed = await place(weights, store.storage, None, tmp_path / "cache")
    placed.release()
    (placed.folder / "config.json").write_text("{}")
    again = await place(weights, store.storage, None, tmp_path / "cache")
    assert contents_of(again.folder) == contents_of(model)
    again.release()


async def test_what_nobody_has_used_for_long_goes(
    store: Store, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    old = [await store.put(write_whole(tmp_path / f"old-{seed}", seed=seed), f"org_a/{seed}") for seed in (1, 2, 3)]
    held, stale, fresh = [await place(weights, store.storage, None, cache) for weights in old]
    stale.release()
    fresh.release()
    long_ago = time.time() - 2 * stored_weights._UNUSED_S
    for placed in (held, stale):
        os.utime(cache / f"{placed.folder.name}.lock", (long_ago, long_ago))
    new = await place(await store.put(model), store.storage, None, cache)
    assert (held.folder.exists(), stale.folder.exists(), fresh.folder.exists()) == (True, False, True)
    for placed in (held, new):
        placed.release()
