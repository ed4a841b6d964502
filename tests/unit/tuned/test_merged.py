"""Models with weights of their own in the registry: what is kept of them, how many there may be, what deleting leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.tuning import TunedModelsSettings
from cluster.errors import Conflict, InvalidRequest, ModelNotFound, PermissionDenied, StoreUnavailable
from cluster.store.database import Database
from cluster.store.schema import upgrade
from cluster.tuned.model import Kind, State, TunedModel
from cluster.tuned.names import TunedName
from cluster.tuned.repository import TunedModelRepository
from cluster.tuned.service import NewTunedModel, TunedModels
from cluster.tuned.weights import BadManifest, Manifest, StoredWeights, WeightFile
from tests.unit.tuned.adapters import write_adapter
from tests.unit.tuned.test_registry import ALICE, BASES, BOB, BreakableStorage
from tests.unit.tuned.whole_models import write_whole


class Registry:
    def __init__(self, database: Database, folder: Path, max_merged: int) -> None:
        self.now = 1_000_000.0
        self.storage = BreakableStorage(folder / "store")
        self.folder = folder
        self.rows = TunedModelRepository(database)
        settings = TunedModelsSettings(max_merged_models=max_merged, max_merged_bytes=1 << 20)
        self.models = TunedModels(database, self.storage, settings, BASES, lambda: self.now)

    async def register(self, name: TunedName, folder: Path, who: object = ALICE) -> TunedModel:
        self.now += 1
        return await self.models.register(who, NewTunedModel(name, folder, "job_1", Kind.MERGED))  # type: ignore[arg-type]

    async def stored(self) -> list[str]:
        return await self.storage.keys_before(float("inf"))


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    await upgrade(url)
    database = Database.open(url, DatabaseSettings())
    yield Registry(database, tmp_path, 2)
    await database.close()


def name(org: str = "org_a", base: str = "plain") -> TunedName:
    return TunedName.new(base, org, "x")


async def test_a_whole_model_is_kept_for_a_base_without_adapters(registry: Registry) -> None:
    folder = write_whole(registry.folder / "run", files=2)
    model = await registry.register(name(), folder)
    assert (model.kind, model.state, model.adapter, model.base_model) == (Kind.MERGED, State.READY, None, "plain")
    assert model.size_bytes > sum(path.stat().st_size for path in folder.iterdir())
    assert model.weights is not None
    assert StoredWeights.parse(model.weights.source) == model.weights
    pieces = registry.storage.read(f"{model.weights.location}/manifest", 0, model.weights.manifest_bytes)
    raw = b"".join([piece async for piece in pieces])
    assert [file.name for file in Manifest.of(raw).files] == sorted(path.name for path in folder.iterdir())
    assert len(await registry.stored()) == 6
    assert await registry.models.list(BOB) == []
    with pytest.raises(ModelNotFound):
        await registry.models.get(BOB, model.name)


async def test_the_same_again_is_the_same_and_other_files_are_a_conflict(registry: Registry) -> None:
    own, folder = name(), write_whole(registry.folder / "run")
    first = await registry.register(own, folder)
    assert await registry.register(own, folder) == first
    with pytest.raises(Conflict):
        await registry.register(own, write_whole(registry.folder / "other", seed=1))


async def test_deleting_leaves_no_object(registry: Registry) -> None:
    model = await registry.register(name(), write_whole(registry.folder / "run", files=3))
    await registry.models.delete(ALICE, model.name)
    assert await registry.stored() == []
    assert await registry.rows.merged(9) == []


async def test_what_could_not_be_deleted_is_swept(registry: Registry) -> None:
    model = await registry.register(name(), write_whole(registry.folder / "run"))
    registry.storage.broken = True
    await registry.models.delete(ALICE, model.name)
    registry.storage.broken = False
    registry.now += 10_000
    assert await registry.models.sweep() == 1
    assert await registry.stored() == []


async def test_a_registration_that_breaks_off_leaves_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    create = BreakableStorage.create

    async def third_fails(self: BreakableStorage, key: str) -> object:
        if key.endswith("file-1"):
            raise StoreUnavailable("gone")
        return await create(self, key)

    monkeypatch.setattr(BreakableStorage, "create", third_fails)
    own, folder = name(), write_whole(registry.folder / "run")
    with pytest.raises(StoreUnavailable):
        await registry.register(own, folder)
    assert await registry.stored() == []
    monkeypatch.setattr(BreakableStorage, "create", create)
    await registry.register(own, folder)


async def test_the_cluster_keeps_so_many_and_no_more_of_all_organizations(registry: Registry) -> None:
    folder = write_whole(registry.folder / "run")
    await registry.models.check_room(ALICE, "plain", Kind.MERGED)
    first = await registry.register(name(), folder)
    second = await registry.register(name("org_b"), folder, BOB)
    assert [model.name for model in await registry.rows.merged(9)] == [first.name, second.name]
    assert [model.name for model in await registry.rows.merged(1)] == [first.name]
    for refused in (registry.models.check_room(ALICE, "plain", Kind.MERGED), registry.register(name(), folder)):
        with pytest.raises(PermissionDenied) as caught:
            await refused
        assert caught.value.code == "merged_model_quota_exceeded"
    # Adapters take no engines.
    adapter = NewTunedModel(name(base="base"), write_adapter(registry.folder / "adapter"))
    await registry.models.register(ALICE, adapter)
    await registry.models.delete(BOB, second.name)
    await registry.register(name(), folder)


async def test_two_at_once_do_not_pass_the_bound(registry: Registry) -> None:
    folder = write_whole(registry.folder / "run")
    done = await asyncio.gather(*(registry.register(name(), folder) for _ in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["PermissionDenied"] * 2 + ["TunedModel"] * 2


async def test_another_organizations_base_is_refused(registry: Registry) -> None:
    with pytest.raises(ModelNotFound):
        await registry.models.check_room(ALICE, "bobs", Kind.MERGED)


def _cut(folder: Path) -> None:
    path = folder / "model-0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model-0.safetensors").unlink(), "no weights"),
        (lambda folder: (folder / "config.json").write_text("["), "config.json is no JSON object"),
        (_cut, "cut short"),
        (lambda folder: (folder / "below").mkdir(), "'below' is no plain file"),
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "'link' is no plain file"),
        (lambda folder: (folder / ".hidden").write_text(""), "'.hidden' is no plain file"),
        (lambda folder: (folder / "large").write_bytes(bytes(1 << 20)), "max_merged_bytes"),
    ],
)
async def test_folders_that_hold_no_model(registry: Registry, spoil: Callable[[Path], object], why: str) -> None:
    folder = write_whole(registry.folder / "run")
    spoil(folder)
    with pytest.raises(InvalidRequest, match=why) as caught:
        await registry.register(name(), folder)
    assert caught.value.code == "invalid_weights"
    assert await registry.stored() == []


@pytest.mark.parametrize("file", ["../x", "a/b", ".x", "", "x" * 300])
def test_a_manifest_names_nothing_outside_its_folder(file: str) -> None:
    with pytest.raises(BadManifest):
        Manifest.of(Manifest([WeightFile(file, "0" * 64, 1)]).to_json())


@pytest.mark.parametrize("source", ["/models/x", "org/repository", "tuned:", "tuned:a#b.1", f"tuned:../x#{'0' * 64}.5"])
def test_sources_that_are_no_stored_weights(source: str) -> None:
    assert StoredWeights.parse(source) is None
