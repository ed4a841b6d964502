"""On-demand loading around an engine that is played by a script."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

import pytest

from cluster.engine.adapters.errors import AdapterUnusable
from cluster.engine.adapters.folder import AdapterFolder
from cluster.engine.adapters.loading import Adapters, Held, Refused
from cluster.engine.contract import Adapter, FaultKind
from cluster.tuned.adapter_files import AdapterShape
from tests.unit.engine.adapters.stored import FakeStorage, put


class FakeHost:
    """Holds ``capacity`` adapters, the least lately loaded goes first. Requests may name what is in ``offered``."""

    def __init__(self, capacity: int = 2) -> None:
        self.capacity = capacity
        self.held: OrderedDict[int, Path] = OrderedDict()
        self.offered: dict[str, int] = {}
        self.loads: list[str] = []
        self.refuses = False
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def load(self, name: str, number: int, folder: Path) -> None:
        self.loads.append(name)
        self.asked.set()
        await self.go.wait()
        assert (folder / "adapter_model.safetensors").exists()
        if self.refuses:
            raise Refused("no such module")
        self.held[number] = folder
        while len(self.held) > self.capacity:
            self.held.popitem(last=False)

    async def loaded(self) -> set[int]:
        return set(self.held)

    def offer(self, name: str, number: int, folder: Path) -> None:
        self.offered[name] = number

    def withdraw(self, name: str) -> None:
        self.offered.pop(name, None)


class Counted:
    loaded = failed = held = 0

    def adapter_loaded(self, model: str, seconds: float) -> None:
        self.loaded += 1

    def adapter_failed(self, model: str) -> None:
        self.failed += 1

    def adapters_held(self, model: str, count: int) -> None:
        self.held = count


class Loading:
    def __init__(self, path: Path, capacity: int = 2) -> None:
        self.path = path
        self.storage = FakeStorage(path / "store")
        self.host = FakeHost(capacity)
        self.counted = Counted()
        self.told: list[Held] = []
        self.files = AdapterFolder(path / "cache", self.storage, 1 << 20, settle_s=0.0)
        self.adapters = Adapters("base", self.files, self.host, self._check, self.counted, self.told.append)

    def _check(self, shape: AdapterShape) -> None:
        shape.check_base(128, 2)

    async def put(self, name: str, seed: int, hidden: int = 128) -> Adapter:
        (self.path / "cache").mkdir(exist_ok=True)
        return await put(self.storage, self.path / "files", name, seed=seed, hidden=hidden)

    async def ask(self, adapter: Adapter) -> None:
        async with self.adapters.using(adapter):
            assert adapter.name in self.host.offered


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    return Loading(tmp_path)


async def test_an_adapter_is_loaded_when_it_is_first_asked_for_and_not_again(loading: Loading) -> None:
    a = await loading.put("a", 1)
    for _ in range(3):
        await loading.ask(a)
    assert loading.host.loads == ["a"]
    assert loading.host.offered == {}
    assert loading.told[-1].names == ("a",)
    assert loading.told[-1].load_ms > 0
    assert (loading.counted.loaded, loading.counted.held) == (1, 1)


async def test_gateways_hear_of_it_before_it_is_there(loading: Loading) -> None:
    a = await loading.put("a", 1)
    loading.host.go.clear()
    asking = asyncio.create_task(loading.ask(a))
    await loading.host.asked.wait()
    assert loading.told == [Held(("a",), 0.0)]
    loading.host.go.set()
    await asking


async def test_many_requests_make_one_load_and_one_that_leaves_does_not_break_it_off(loading: Loading) -> None:
    a = await loading.put("a", 1)
    loading.host.go.clear()
    tasks = [asyncio.create_task(loading.ask(a)) for _ in range(4)]
    await loading.host.asked.wait()
    tasks[0].cancel()
    loading.host.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None] * 3
    assert loading.host.loads == ["a"]


async def test_what_the_engine_has_dropped_is_loaded_again(loading: Loading) -> None:
    a, b, c = [await loading.put(name, seed) for seed, name in enumerate("abc")]
    for adapter in (a, b, c):
        await loading.ask(adapter)
    assert loading.told[-1].names == ("b", "c")
    await loading.ask(a)
    assert loading.host.loads == ["a", "b", "c", "a"]
    assert loading.told[-1].names == ("a", "c")


async def test_a_dropped_adapter_keeps_its_number_while_a_request_uses_it(tmp_path: Path) -> None:
    loading = Loading(tmp_path, capacity=1)
    a, b = await loading.put("a", 1), await loading.put("b", 2)
    async with loading.adapters.using(a):
        number = loading.host.offered["a"]
        await loading.ask(b)
        async with loading.adapters.using(a):
            assert loading.host.offered["a"] == number
        assert loading.host.offered == {"a": number}, "the first request is not over"
    assert loading.host.offered == {}


async def test_no_two_adapters_ever_have_one_number(tmp_path: Path) -> None:
    loading = Loading(tmp_path, capacity=1)
    names = [await loading.put(f"a{seed}", seed) for seed in range(3)]
    numbers = []
    for adapter in [*names, *names]:
        async with loading.adapters.using(adapter):
            numbers.append(loading.host.offered[adapter.name])
    assert len(set(numbers)) == len(numbers)


async def test_an_adapter_of_another_base_never_reaches_the_engine(loading: Loading) -> None:
    narrow = await loading.put("narrow", 1, hidden=64)
    with pytest.raises(AdapterUnusable, match="width 64") as refused:
        await loading.ask(narrow)
    assert refused.value.fault.kind is FaultKind.ADAPTER_UNUSABLE
    assert loading.host.loads == []
    assert (loading.counted.loaded, loading.counted.failed) == (0, 1)
    assert loading.told[-1].names == ()


async def test_what_the_engine_refuses_is_a_fault_without_its_words(loading: Loading) -> None:
    a = await loading.put("a", 1)
    loading.host.refuses = True
    with pytest.raises(AdapterUnusable) as refused:
        await loading.ask(a)
    assert "no such module" not in refused.value.fault.message
    loading.host.refuses = False
    await loading.ask(a)
    assert loading.host.loads == ["a", "a"]
