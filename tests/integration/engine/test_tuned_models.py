"""Tuned models from their registry to a real engine: two adapters on one Llama, of which the engine can hold a single one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.errors import ModelNotFound, ModelUnusable
from cluster.routing.adapters import adapter_tag
from cluster.store.objects.folder import FolderStorage
from tests.integration.engine.tuned_cluster import ALICE, BASE, BOB, Cluster, running

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    async with running(tiny_llama, tmp_path_factory.mktemp("tuned")) as found:
        yield found


async def test_base_and_adapters_answer_differently_and_each_repeats_itself(cluster: Cluster) -> None:
    a, b = await cluster.register(ALICE, 1), await cluster.register(ALICE, 2)
    assert cluster.held == set()
    answers = {}
    for ask in (cluster.chat, cluster.chat_stream, cluster.complete):
        first = [await ask(model) for model in (BASE, a, b)]
        assert len(set(first)) == 3, first
        # The engine holds one adapter: each of these is loaded again.
        assert [await ask(model) for model in (BASE, a, b)] == first
        answers[ask.__name__] = first
    assert answers["chat"] == answers["chat_stream"]


async def test_adapters_are_loaded_on_demand_and_the_least_lately_used_goes(cluster: Cluster) -> None:
    a, b = await cluster.register(ALICE, 3), await cluster.register(ALICE, 4)
    for model in (a, b, a):
        await cluster.chat(model)
        assert cluster.held == {adapter_tag(model)}
        assert await cluster.loaded() == 1


async def test_two_adapters_in_one_moment_both_answer_although_only_one_is_loaded(cluster: Cluster) -> None:
    a, b = await cluster.register(ALICE, 5), await cluster.register(ALICE, 6)
    alone = [await cluster.chat(model) for model in (BASE, a, b)]
    together = await asyncio.gather(*(cluster.chat(model) for model in (BASE, a, b, a, b, BASE)))
    assert together == [*alone, alone[1], alone[2], alone[0]]


async def test_no_model_finds_what_another_has_cached(cluster: Cluster) -> None:
    a, b = await cluster.register(ALICE, 7), await cluster.register(ALICE, 8)
    content = "jumps over the lazy dog " * 40
    for model in (BASE, a, b):
        await cluster.chat(model, content=content)
        assert cluster.cached_tokens == 0, model
    for model in (BASE, a, b):
        await cluster.chat(model, content=content)
        assert cluster.cached_tokens > 100, model


async def test_a_tuned_model_is_not_there_for_another_organization(cluster: Cluster) -> None:
    a = await cluster.register(ALICE, 9)
    b = await cluster.register(BOB, 10)
    own = await cluster.chat(b, BOB)
    assert own != await cluster.chat(BASE, BOB)
    for principal, model in ((BOB, a), (ALICE, b)):
        with pytest.raises(ModelNotFound):
            await cluster.chat(model, principal)
    assert [card.id for card in await cluster.inference.list_models(BOB)] == [BASE, b]
    await cluster.inference.delete_model(BOB, b)
    with pytest.raises(ModelNotFound):
        await cluster.chat(b, BOB)
    assert await cluster.chat(a) == await cluster.chat(a)


async def test_equal_weights_of_two_organizations_share_no_cache(cluster: Cluster) -> None:
    a = await cluster.register(ALICE, 11)
    b = await cluster.register(BOB, 11)
    content = "the brown fox over the dog " * 40
    answer = await cluster.chat(a, ALICE, content)
    assert await cluster.chat(b, BOB, content) == answer
    assert cluster.cached_tokens == 0


async def test_an_adapter_of_another_base_is_a_clear_fault_and_the_engine_goes_on(cluster: Cluster) -> None:
    narrow = await cluster.register(ALICE, 12, hidden=64)
    deep = await cluster.register(ALICE, 13, layers=3)
    for model in (narrow, deep):
        with pytest.raises(ModelUnusable, match="The model's adapter can't be served: it"):
            await cluster.chat(model)
    assert await cluster.chat(BASE)


async def test_what_vllm_itself_refuses_is_a_clear_fault_and_the_engine_goes_on(cluster: Cluster) -> None:
    odd = await cluster.register(ALICE, 14, config={"use_qalora": True})
    with pytest.raises(ModelUnusable, match="does not take it"):
        await cluster.chat(odd)
    a = await cluster.register(ALICE, 15)
    assert await cluster.chat(a) == await cluster.chat(a)
    assert cluster.held == {adapter_tag(a)}


async def test_missing_files_are_a_clear_fault(cluster: Cluster) -> None:
    a = await cluster.register(ALICE, 16)
    model = await cluster.tuned.get(ALICE, a)
    await FolderStorage(cluster.folder / "store").delete(model.adapter.weights.key)
    with pytest.raises(ModelUnusable, match="missing"):
        await cluster.chat(a)
    await cluster.replica.check_health()
