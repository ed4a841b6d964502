"""The registry over a real SQLite and a real folder: what is registered, by whom it can be seen, what is left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.tuning import TunedModelsSettings
from cluster.errors import Conflict, InvalidRequest, ModelNotFound, PermissionDenied, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.objects.folder import FolderStorage, FolderWriter
from cluster.store.schema import upgrade
from cluster.tuned.lookup import TunedLookup
from cluster.tuned.model import State
from cluster.tuned.names import TunedName
from cluster.tuned.service import NewTunedModel, TunedModels
from tests.unit.tuned.adapters import write_adapter

ALICE = Principal("org_a", "proj_a", "key_a")
ANOTHER_KEY = Principal("org_a", "proj_b", "key_b")
BOB = Principal("org_b", "proj_c", "key_c")
BASES = {
    model.id: model
    for model in (
        ModelSettings(id="base", source="x", adapters={"enabled": True, "max_rank": 8}),
        ModelSettings(id="plain", source="x"),
        ModelSettings(id="bobs", source="x", organization="org_b", adapters={"enabled": True}),
    )
}


class BreakableStorage(FolderStorage):
    """Fails on purpose."""

    broken = False

    async def create(self, key: str) -> FolderWriter:
        if self.broken:
            raise StoreUnavailable("gone")
        return await super().create(key)

    async def delete(self, key: str) -> None:
        if self.broken:
            raise StoreUnavailable("gone")
        await super().delete(key)


class Registry:
    def __init__(self, database: Database, folder: Path) -> None:
        self.now = 1_000_000.0
        self.storage = BreakableStorage(folder / "store")
        self.folder = folder
        settings = TunedModelsSettings(max_models_per_organization=3)
        self.models = TunedModels(database, self.storage, settings, BASES, lambda: self.now)

    async def register(self, principal: Principal = ALICE, *, seed: int = 0, suffix: str = "x") -> str:
        name = TunedName.new("base", principal.org_id, suffix)
        adapter = write_adapter(self.folder / f"adapter-{seed}", seed=seed)
        return (await self.models.register(principal, NewTunedModel(name, adapter, "job_1"))).name

    async def stored(self) -> list[str]:
        return await self.storage.keys_before(float("inf"))


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    await upgrade(url)
    database = Database.open(url, DatabaseSettings())
    yield Registry(database, tmp_path)
    await database.close()


async def test_a_registered_model_is_its_organizations_alone(registry: Registry) -> None:
    name = await registry.register()
    assert [model.name for model in await registry.models.list(ALICE)] == [name]
    assert (await registry.models.get(ANOTHER_KEY, name)).base_model == "base"
    assert await registry.models.list(BOB) == []
    with pytest.raises(ModelNotFound) as hidden:
        await registry.models.get(BOB, name)
    unknown = str(TunedName.new("base", "org_b", "x"))
    with pytest.raises(ModelNotFound) as missing:
        await registry.models.get(BOB, unknown)
    assert hidden.value.message.replace(name, "?") == missing.value.message.replace(unknown, "?")
    with pytest.raises(ModelNotFound):
        await registry.models.delete(BOB, name)
    assert await registry.models.find(ALICE, name) is not None


async def test_files_and_what_is_known_of_them_are_kept(registry: Registry) -> None:
    name = await registry.register()
    model = await registry.models.get(ALICE, name)
    assert (model.job_id, model.checkpoint_step, model.created_at, model.adapter.rank) == ("job_1", None, 1_000_000, 4)
    config = model.adapter.config
    content = b"".join([piece async for piece in registry.storage.read(config.key, 0, config.size_bytes)])
    assert content == (registry.folder / "adapter-0" / "adapter_config.json").read_bytes()


async def test_registering_again_gives_the_same_model_and_other_files_a_conflict(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    new = NewTunedModel(name, write_adapter(registry.folder / "a", seed=1))
    first = await registry.models.register(ALICE, new)
    assert await registry.models.register(ALICE, new) == first
    with pytest.raises(Conflict):
        await registry.models.register(ALICE, replace(new, folder=write_adapter(registry.folder / "b", seed=2)))
    assert len(await registry.stored()) == 2


async def test_a_model_on_probation_is_there_for_its_examiner_alone(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    new = NewTunedModel(name, write_adapter(registry.folder / "a", seed=1))
    model = await registry.models.register(ALICE, new, probation=True)
    assert model.state is State.PROBATION
    assert await registry.models.register(ALICE, new, probation=True) == model
    lookup = TunedLookup(registry.models, 60.0)
    assert await lookup.find(ALICE, model.name, probation=True) == model
    assert await lookup.find(BOB, model.name, probation=True) is None
    assert await lookup.find(ALICE, model.name) is None, "what the examiner was told is told to nobody else"
    assert await registry.models.list(ALICE) == []
    with pytest.raises(ModelNotFound):
        await registry.models.delete(ALICE, model.name)
    await registry.models.accept(ALICE, name)
    await registry.models.accept(ALICE, name)
    await registry.models.refuse(ALICE, name)
    accepted = await registry.models.get(ALICE, model.name)
    assert accepted == replace(model, state=State.READY)
    assert await registry.models.register(ALICE, new, probation=True) == accepted


async def test_a_refused_model_leaves_nothing_and_its_name_is_free(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    new = NewTunedModel(name, write_adapter(registry.folder / "a", seed=1))
    await registry.models.register(ALICE, new, probation=True)
    await registry.models.refuse(ALICE, name)
    await registry.models.refuse(ALICE, name)
    assert await registry.stored() == []
    with pytest.raises(ModelNotFound):
        await registry.models.accept(ALICE, name)
    assert (await registry.models.register(ALICE, new)).state is State.READY


async def test_a_probation_with_other_files_begins_anew(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    new = NewTunedModel(name, write_adapter(registry.folder / "a", seed=1))
    first = await registry.models.register(ALICE, new, probation=True)
    other = replace(new, folder=write_adapter(registry.folder / "b", seed=2))
    second = await registry.models.register(ALICE, other, probation=True)
    assert second.adapter.weights.sha256 != first.adapter.weights.sha256
    assert len(await registry.stored()) == 2


async def test_a_probation_that_nobody_ends_is_swept(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    await registry.models.register(ALICE, NewTunedModel(name, write_adapter(registry.folder / "a")), probation=True)
    registry.now += 6 * 86400
    assert await registry.models.sweep() == 0
    registry.now += 2 * 86400
    assert await registry.models.sweep() == 1
    assert await registry.models.find(ALICE, str(name), probation=True) is None
    assert await registry.stored() == []


async def test_a_checkpoint_is_a_model_beside_the_whole_one(registry: Registry) -> None:
    name = TunedName.new("base", "org_a", "x")
    for seed, each in enumerate((name, name.checkpoint(10))):
        await registry.models.register(ALICE, NewTunedModel(each, write_adapter(registry.folder / str(seed), seed=seed)))
    whole, checkpoint = await registry.models.list(ALICE)
    assert checkpoint.name == f"{whole.name}:ckpt-step-10"
    assert checkpoint.checkpoint_step == 10
    assert whole.adapter.weights.sha256 != checkpoint.adapter.weights.sha256


@pytest.mark.parametrize(
    ("base", "rank", "error"),
    [
        ("plain", 4, InvalidRequest),
        ("bobs", 4, ModelNotFound),
        ("nothing", 4, ModelNotFound),
        ("base", 9, InvalidRequest),
    ],
)
async def test_a_base_that_takes_no_such_adapter_is_refused(
    registry: Registry, base: str, rank: int, error: type[Exception]
) -> None:
    folder = write_adapter(registry.folder / "a", rank=rank)
    with pytest.raises(error):
        await registry.models.register(ALICE, NewTunedModel(TunedName.new(base, "org_a"), folder))
    assert await registry.stored() == []


async def test_nobody_registers_under_another_organizations_name(registry: Registry) -> None:
    new = NewTunedModel(TunedName.new("base", "org_b"), write_adapter(registry.folder / "a"))
    with pytest.raises(ValueError):
        await registry.models.register(ALICE, new)


async def test_the_quota_is_one_organizations(registry: Registry) -> None:
    for seed in range(3):
        await registry.register(seed=seed)
    with pytest.raises(PermissionDenied):
        await registry.register(seed=3)
    await registry.register(BOB, seed=4)


async def test_a_failed_upload_leaves_nothing_and_may_be_repeated(registry: Registry) -> None:
    new = NewTunedModel(TunedName.new("base", "org_a"), write_adapter(registry.folder / "a"))
    registry.storage.broken = True
    with pytest.raises(StoreUnavailable):
        await registry.models.register(ALICE, new)
    assert await registry.models.list(ALICE) == []
    registry.storage.broken = False
    assert (await registry.models.register(ALICE, new)).name == str(new.name)
    assert len(await registry.stored()) == 2


async def test_a_deleted_model_is_gone_at_once_and_its_files_when_they_can_be(registry: Registry) -> None:
    name = await registry.register()
    registry.storage.broken = True
    await registry.models.delete(ALICE, name)
    assert await registry.models.find(ALICE, name) is None
    assert len(await registry.stored()) == 2
    registry.storage.broken = False
    assert await registry.models.sweep() == 0, "a deletion may still be under way"
    registry.now += 3600
    assert await registry.models.sweep() == 1
    assert await registry.stored() == []
    assert await registry.models.sweep() == 0


async def test_the_sweeper_ends_registrations_that_were_broken_off(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = asyncio.Event()

    async def hang(*_: object) -> None:
        stuck.set()
        await asyncio.sleep(3600)

    async def killed(*_: object) -> None:
        """What a process that was killed does."""

    monkeypatch.setattr(registry.models, "_upload", hang)
    task = asyncio.create_task(registry.register())
    await stuck.wait()
    monkeypatch.setattr(registry.models, "_discard", killed)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.undo()
    assert await registry.models.sweep() == 0
    registry.now += 3601
    assert await registry.models.sweep() == 1
    registry.now += 3601
    assert await registry.models.sweep() == 0


async def test_a_lookup_asks_the_database_once_in_a_while_and_forgets_what_it_deletes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await registry.register()
    clock, asked = [0.0], 0
    lookup = TunedLookup(registry.models, 2.0, lambda: clock[0])
    find = registry.models.find

    async def counted(principal: Principal, model_id: str) -> object:
        nonlocal asked
        asked += 1
        return await find(principal, model_id)

    monkeypatch.setattr(registry.models, "find", counted)
    for _ in range(3):
        assert await lookup.find(ALICE, name) is not None
    assert asked == 1
    assert await lookup.find(BOB, name) is None
    clock[0] = 2.0
    assert await lookup.find(ALICE, name) is not None
    assert asked == 3
    await lookup.delete(ALICE, name)
    assert await lookup.find(ALICE, name) is None


async def test_the_sweeper_removes_what_a_killed_process_was_writing(registry: Registry) -> None:
    writer = await registry.storage.create("org_a/0123456789abcdef-000000000000/weights")
    await writer.write(b"half")
    registry.now = time.time()
    await registry.models.sweep()
    files = [path for path in (registry.folder / "store").rglob("*") if path.is_file()]
    assert len(files) == 1, "a registration may still be under way"
    registry.now += 3601
    await registry.models.sweep()
    assert not files[0].exists()
