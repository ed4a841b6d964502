"""Tuned models from the inside's side: whose they are, where their requests go, what their caches share (nothing)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.edges import AdmissionSettings
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.prompt_cache import PromptCacheSettings
from cluster.config.settings.routing import RoutingSettings
from cluster.engine.contract import Adapter, AdapterFile, EngineUsage, Fault, FaultKind, Frame
from cluster.errors import ModelNotFound, ModelUnusable, OssatureError, Overloaded, PermissionDenied, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.inference.accounting import RequestRecord
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.service import Call
from cluster.prompt_cache.salt import SaltDeriver
from cluster.routing.adapters import adapter_tag
from cluster.runtime.merged_models import settings_of
from cluster.tuned.model import Kind, TunedModel
from cluster.tuned.names import TunedName
from cluster.tuned.weights import StoredWeights
from tests.unit.inference.fake_relay import FakeRelay, Step
from tests.unit.inference.test_cluster_inference import Records

ALICE = Principal("org_a", "proj_a", "key_a")
BOB = Principal("org_b", "proj_b", "key_b")
CALL = Call("http", "trace")
USAGE = EngineUsage(prompt_tokens=2000, completion_tokens=3)
ANSWER = Frame(payloads=[b'{"id":"x"}'], usage=USAGE)


def tuned(base: str = "base", org: str = "org_a", number: int = 1) -> TunedModel:
    name = str(TunedName(base, org, "x", f"{number:016x}"))
    adapter = Adapter(name, 4, AdapterFile("k/config", "0" * 64, 10), AdapterFile("k/weights", "1" * 64, 1000))
    return TunedModel(name, org, base, Kind.ADAPTER, adapter, 7)


@dataclass
class FakeRegistry:
    """As the registry answers: to an organization about its own."""

    models: list[TunedModel]
    error: OssatureError | None = None
    deleted: list[str] = field(default_factory=list)

    async def list(self, principal: Principal) -> list[TunedModel]:
        return [model for model in self.models if model.org_id == principal.org_id]

    async def find(self, principal: Principal, model_id: str, *, probation: bool = False) -> TunedModel | None:
        if self.error is not None:
            raise self.error
        return next((model for model in await self.list(principal) if model.name == model_id), None)

    async def delete(self, principal: Principal, model_id: str) -> None:
        if await self.find(principal, model_id) is None:
            raise ModelNotFound(f"The model {model_id[:128]!r} does not exist or you do not have access to it.", param="model")
        self.deleted.append(model_id)


def merged(number: int, org: str = "org_a") -> TunedModel:
    name = str(TunedName("base", org, "x", f"{number:016x}"))
    return TunedModel(name, org, "base", Kind.MERGED, None, 7, weights=StoredWeights(f"{org}/{number}", "0" * 64, 10))


MODEL = tuned()
SERVED, NOT_STARTED, BOBS = merged(11), merged(12), merged(13, "org_b")
SECOND = tuned(number=2)
WITHOUT_BASE = tuned(base="plain")
UNKNOWN = str(TunedName("base", "org_b", "x", "f" * 16))


class Inside:
    def __init__(self, *scripts: list[Step], further: Sequence[TunedModel] = ()) -> None:
        """``further``: models of the registry; those that are merged have engines, but for ``NOT_STARTED``."""
        self.relay = FakeRelay(*scripts)
        self.records = Records()
        self.registry = FakeRegistry([MODEL, SECOND, WITHOUT_BASE, *further])
        models = [
            ModelSettings(id="base", source="x", adapters={"enabled": True}, engine={"max_model_len": 4096}),
            ModelSettings(id="plain", source="x"),
        ]
        started = [model for model in further if model.kind is Kind.MERGED and model is not NOT_STARTED]
        models += [settings_of(model, models[0]) for model in started]
        self.served = {"base", *(model.name for model in started)}
        cache = PromptCacheSettings()
        self.inference = ClusterInference(
            models={model.id: model for model in models},
            relay=self.relay,
            planner=PrefixPlanner(SaltDeriver(b"s" * 32, cache, lambda: 0.0), cache, RoutingSettings(), lambda model: 2),
            limit=ConcurrencyLimit(4),
            max_in_progress=8,
            recorder=self.records,
            admission=AdmissionSettings(),
            has_replica=lambda model: model in self.served,
            tuned=self.registry,  # type: ignore[arg-type]  # what it asks of a lookup
        )

    async def ask(self, model: str, principal: Principal = ALICE) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "word " * 4000}]}
        await self.inference.complete(principal, ChatCompletionRequest.parse(body), CALL)

    @property
    def record(self) -> RequestRecord:
        (record,) = self.records.done
        return record


async def test_a_request_goes_to_the_base_with_the_adapter_and_its_own_name() -> None:
    inside = Inside([ANSWER])
    await inside.ask(MODEL.name)
    (request,) = inside.relay.requests
    assert request.adapter == MODEL.adapter
    assert json.loads(request.body)["model"] == MODEL.name
    assert inside.relay.tickets[0].adapter == adapter_tag(MODEL.name)


async def test_metrics_name_the_base_and_the_ledger_the_tuned_model() -> None:
    inside = Inside([ANSWER])
    await inside.ask(MODEL.name)
    assert (inside.record.model, inside.record.asked_model) == ("base", MODEL.name)


async def test_a_stream_carries_the_adapter_as_well() -> None:
    chunk = b'{"id":"x","created":7,"choices":[{"index":0,"delta":{"content":"a"}}]}'
    inside = Inside([Frame(payloads=[chunk]), Frame(usage=USAGE)])
    body = {"model": MODEL.name, "messages": [{"role": "user", "content": "x"}], "stream": True}
    stream = await inside.inference.stream(ALICE, ChatCompletionRequest.parse(body), CALL)
    assert [payload async for batch in stream for payload in batch] == [chunk]
    await stream.aclose()
    assert inside.relay.requests[0].adapter == MODEL.adapter
    assert inside.record.asked_model == MODEL.name


async def test_base_and_adapters_share_neither_salt_nor_chain() -> None:
    inside = Inside([ANSWER], [ANSWER], [ANSWER])
    for model in ("base", MODEL.name, SECOND.name):
        await inside.ask(model)
    salts = {request.cache_salt for request in inside.relay.requests}
    assert len(salts) == 3
    chains = [ticket.chain for ticket in inside.relay.tickets]
    assert all(chains)
    assert not set(chains[0]) & set(chains[1])
    assert not set(chains[1]) & set(chains[2])
    assert inside.relay.requests[0].adapter is None
    assert inside.relay.tickets[0].adapter == b""


async def test_another_organization_gets_the_error_of_a_model_that_does_not_exist() -> None:
    errors = []
    for name in (MODEL.name, UNKNOWN):
        inside = Inside()
        for call in (inside.ask(name, BOB), inside.inference.find_model(BOB, name), inside.inference.delete_model(BOB, name)):
            with pytest.raises(ModelNotFound) as caught:
                await call
            errors.append({**caught.value.body()["error"], "name": name})  # type: ignore[dict-item]
        assert inside.record.status == 404
        # Metrics may name the base of a name in one's own organization; the ledger no model that there isn't.
        assert (inside.record.model, inside.record.asked_model) == ("base" if name == UNKNOWN else "unknown", "unknown")
        assert inside.relay.requests == []
        assert inside.registry.deleted == []
    told = {(error["message"].replace(error["name"], "?"), error["type"], error["param"], error["code"]) for error in errors}
    assert len(told) == 1


async def test_lists_show_the_callers_own_after_the_clusters() -> None:
    inside = Inside()
    assert [card.id for card in await inside.inference.list_models(ALICE)] == [
        "base",
        "plain",
        MODEL.name,
        SECOND.name,
        WITHOUT_BASE.name,
    ]
    assert [card.id for card in await inside.inference.list_models(BOB)] == ["base", "plain"]
    card = await inside.inference.find_model(ALICE, MODEL.name)
    assert (card.created, card.owned_by, card.max_model_len) == (7, "org_a", 4096)


async def test_only_tuned_models_can_be_deleted() -> None:
    inside = Inside()
    await inside.inference.delete_model(ALICE, MODEL.name)
    assert inside.registry.deleted == [MODEL.name]
    with pytest.raises(PermissionDenied):
        await inside.inference.delete_model(ALICE, "base")


async def test_a_model_whose_base_takes_no_adapters_now_says_so() -> None:
    inside = Inside()
    with pytest.raises(ModelUnusable, match="its base model is not served"):
        await inside.ask(WITHOUT_BASE.name)
    assert (inside.record.model, inside.record.code) == ("plain", "model_unusable")


async def test_without_the_database_tuned_models_wait_and_the_clusters_own_answer() -> None:
    inside = Inside([ANSWER])
    inside.registry.error = StoreUnavailable("gone")
    await inside.ask("base")
    with pytest.raises(StoreUnavailable):
        await inside.ask(MODEL.name)
    assert inside.records.done[-1].model == "base"


@pytest.mark.parametrize(
    ("kind", "error"), [(FaultKind.ADAPTER_UNUSABLE, ModelUnusable), (FaultKind.ADAPTER_UNREACHABLE, StoreUnavailable)]
)
async def test_what_the_engine_can_not_load_is_told_in_its_words(kind: FaultKind, error: type[OssatureError]) -> None:
    inside = Inside([Frame(fault=Fault(kind, "The files of the model's adapter are missing."))])
    with pytest.raises(error, match="files of the model's adapter are missing"):
        await inside.ask(MODEL.name)


async def test_a_merged_model_has_engines_of_its_own_and_is_counted_by_itself() -> None:
    inside = Inside([ANSWER], further=[SERVED])
    await inside.ask(SERVED.name)
    assert (await inside.inference.find_model(ALICE, SERVED.name)).started
    (request,) = inside.relay.requests
    assert request.adapter is None
    assert json.loads(request.body)["model"] == SERVED.name
    assert (inside.record.model, inside.record.asked_model) == (SERVED.name, SERVED.name)


async def test_a_merged_model_without_an_engine_says_when_it_has_one() -> None:
    inside = Inside(further=[NOT_STARTED])
    with pytest.raises(ModelUnusable, match="when it is started or deployed the next time") as caught:
        await inside.ask(NOT_STARTED.name)
    assert caught.value.code == "model_not_started"
    card = await inside.inference.find_model(ALICE, NOT_STARTED.name)
    assert (card.owned_by, card.started) == ("org_a", False)


async def test_a_merged_model_without_a_replica_is_busy_and_not_unknown() -> None:
    inside = Inside(further=[SERVED])
    inside.served.clear()
    with pytest.raises(Overloaded, match="no running replica"):
        await inside.ask(SERVED.name)


async def test_merged_models_are_listed_once_and_to_their_organization_alone() -> None:
    inside = Inside(further=[SERVED, NOT_STARTED, BOBS])
    alices = [card.id for card in await inside.inference.list_models(ALICE)]
    assert alices == ["base", "plain", MODEL.name, SECOND.name, WITHOUT_BASE.name, SERVED.name, NOT_STARTED.name]
    assert [card.id for card in await inside.inference.list_models(BOB)] == ["base", "plain", BOBS.name]
    assert [card.id for card in inside.inference.models(ALICE)] == ["base", "plain"], "the cluster's own, for realtime sessions"


@pytest.mark.parametrize("target", [BOBS, merged(14, "org_b")], ids=["served", "made up"])
async def test_another_organizations_merged_model_is_one_that_does_not_exist(target: TunedModel) -> None:
    inside = Inside(further=[SERVED, BOBS])
    for call in (inside.ask(target.name), inside.inference.find_model(ALICE, target.name)):
        with pytest.raises(ModelNotFound) as caught:
            await call
        assert caught.value.message == f"The model {target.name!r} does not exist or you do not have access to it."
    with pytest.raises(ModelNotFound):
        await inside.inference.delete_model(ALICE, target.name)
    assert (inside.record.model, inside.record.asked_model) == ("unknown", "unknown")
    assert inside.relay.requests == []


async def test_a_deleted_merged_model_is_gone_though_its_engine_runs() -> None:
    inside = Inside(further=[SERVED])
    await inside.inference.delete_model(ALICE, SERVED.name)
    assert inside.registry.deleted == [SERVED.name]
    inside.registry.models.remove(SERVED)
    with pytest.raises(ModelNotFound):
        await inside.ask(SERVED.name)
    assert inside.relay.requests == []
