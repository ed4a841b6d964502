"""Tuned models over HTTP, by OpenAI's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from cluster.inference.service import ModelCard
from tests.unit.fake_inference import FakeInference
from tests.unit.http.conftest import Edge
from tests.unit.http.fakes import ACME, CARDS, GLOBEX

TUNED = "ft:org/base:7b:org_a:my.suffix:0123456789abcdef:ckpt-step-10"


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    inference = FakeInference({ACME: [*CARDS, ModelCard(TUNED, 7, "org_a")], GLOBEX: list(CARDS)}, tuned={TUNED})
    async with Edge(inference=inference).served() as running:
        yield running


async def test_a_tuned_model_is_listed_described_and_deleted(openai_client: AsyncOpenAI) -> None:
    assert TUNED in [model.id for model in (await openai_client.models.list()).data]
    assert (await openai_client.models.retrieve(TUNED)).owned_by == "org_a"
    deleted = await openai_client.models.delete(TUNED)
    assert (deleted.id, deleted.object, deleted.deleted) == (TUNED, "model", True)
    with pytest.raises(openai.NotFoundError):
        await openai_client.models.retrieve(TUNED)


async def test_the_clusters_own_models_can_not_be_deleted(openai_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError) as refused:
        await openai_client.models.delete(CARDS[0].id)
    assert refused.value.code == "insufficient_permissions"


async def test_deleting_what_is_another_organizations_or_nobodys_ends_alike(edge: Edge) -> None:
    unknown = TUNED.replace("0123", "4567")
    answers = [await edge.request("DELETE", f"/v1/models/{name}", key="sk-globex") for name in (TUNED, unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(TUNED, "?") == answers[1].text.replace(unknown, "?")
    assert (await edge.request("GET", f"/v1/models/{TUNED}")).status_code == 200
