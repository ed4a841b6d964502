"""The inside against a relay that fails on purpose: retries, endings, accounting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.edges import AdmissionSettings
from cluster.config.settings.models import ModelSettings
from cluster.engine.contract import EngineTiming, EngineUsage, Fault, FaultKind, Frame
from cluster.errors import (
    ContextLengthExceeded,
    DeadlineExceeded,
    EngineFailed,
    ModelNotFound,
    OssatureError,
    Overloaded,
    PermissionDenied,
    RateLimited,
)
from cluster.identity.principal import Principal
from cluster.inference.accounting import RequestRecord
from cluster.inference.chat_images import ChatImages
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.plan import Plan
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.service import Call
from cluster.relay.contract import NoCapacity, ReplicaLost
from cluster.routing.ticket import RouteTicket
from cluster.telemetry import labels
from cluster.telemetry.tracing.span import UNTRACED, Tracer
from tests.unit.inference.fake_relay import FakeRelay, Step

ALICE = Principal("org_a", "proj_a", "key_a")
CALL = Call("http", "trace")
USAGE = EngineUsage(prompt_tokens=2000, completion_tokens=3, cached_tokens=1300)
TIMING = EngineTiming(queue_s=0.001, prefill_s=0.01)
CHUNK = b'{"id":"x","created":7,"choices":[{"index":0,"delta":{"content":"a"}}]}'
LAST = Frame(usage=USAGE, timing=TIMING)
DEAD = Frame(fault=Fault(FaultKind.ENGINE_DEAD, "the core is gone"))


@dataclass
class Records:
    """Implements ``Recorder`` by remembering."""

    begun: int = 0
    retries: list[str] = field(default_factory=list)
    routes: list[str | None] = field(default_factory=list)
    done: list[RequestRecord] = field(default_factory=list)

    def started(self, principal: Principal, model: str, edge: str) -> None:
        self.begun += 1

    def routed(self, model: str, ticket: RouteTicket) -> None:
        self.routes.append(ticket.replica_id)

    def retried(self, model: str, reason: str) -> None:
        self.retries.append(reason)

    def first_token(self, model: str, edge: str, seconds: float) -> None:
        assert seconds >= 0

    async def finished(self, record: RequestRecord) -> None:
        self.done.append(record)


MODELS = (
    ModelSettings(id="m", source="x"),
    ModelSettings(id="private", source="x", organization="org_b", engine={"max_model_len": 4096}),
)


class OnePlan:
    async def plan(self, principal: Principal, request: GenerationRequest, *, base_model: str | None = None) -> Plan:
        return Plan("salt", "tag", b"anchor", (b"anchor",), 10)


class Inside:
    """A ``ClusterInference`` with its surroundings at hand."""

    def __init__(
        self,
        *scripts: list[Step],
        limit: int = 4,
        max_in_progress: int = 8,
        timeout_s: float = 5.0,
        ready: bool = True,
        tracer: Tracer = UNTRACED,
        models: Sequence[ModelSettings] = MODELS,
        images: ChatImages | None = None,
    ) -> None:
        self.relay = FakeRelay(*scripts)
        self.records = Records()
        self.limit = ConcurrencyLimit(limit)
        self.inference = ClusterInference(
            models={model.id: model for model in models},
            relay=self.relay,
            planner=OnePlan(),
            limit=self.limit,
            max_in_progress=max_in_progress,
            recorder=self.records,
            admission=AdmissionSettings(request_timeout_s=timeout_s),
            has_replica=lambda model: ready,
            tracer=tracer,
            images=images,
        )

    @property
    def record(self) -> RequestRecord:
        (record,) = self.records.done
        assert self.records.begun == 1
        assert self.limit.in_progress("org_a") == 0, "a place was not given back"
        return record


def chat(**fields: object) -> ChatCompletionRequest:
    return ChatCompletionRequest.parse({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields})


async def read(inside: Inside, **fields: object) -> list[bytes]:
    stream = await inside.inference.stream(ALICE, chat(stream=True, **fields), CALL)
    payloads = []
    try:
        async for batch in stream:
            payloads += batch
    finally:
        await stream.aclose()
    return payloads


async def test_a_whole_answer_gets_the_shown_usage() -> None:
    inside = Inside([Frame(payloads=[b'{"id":"x","object":"chat.completion"}'], usage=USAGE, timing=TIMING)])
    completion = await inside.inference.complete(ALICE, chat(), CALL)
    body = json.loads(completion.body)
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 1280
    assert body["usage"]["total_tokens"] == 2003
    assert inside.record.code == "ok"
    assert inside.record.exact == USAGE


async def test_a_stream_hands_chunks_on_and_ends_with_usage_if_asked() -> None:
    inside = Inside([Frame(payloads=[CHUNK]), Frame(payloads=[CHUNK, CHUNK]), LAST])
    payloads = await read(inside, stream_options={"include_usage": True})
    assert payloads[:3] == [CHUNK] * 3
    usage_chunk = json.loads(payloads[3])
    assert usage_chunk["created"] == 7
    assert usage_chunk["choices"] == []
    assert usage_chunk["usage"]["completion_tokens"] == 3
    assert inside.record.code == "ok"


@pytest.mark.parametrize("explain", [False, True])
async def test_a_route_names_its_replica_only_where_reasons_are_asked_for(explain: bool) -> None:
    inside = Inside([Frame(payloads=[b'{"id":"x"}'], usage=USAGE)], [LAST])
    call = Call("http", "trace", explain=explain)
    completion = await inside.inference.complete(ALICE, chat(), call)
    stream = await inside.inference.stream(ALICE, chat(stream=True), call)
    await stream.aclose()
    assert ("replica=r1" in completion.route, "replica=r2" in stream.route) == (explain, explain)
    assert completion.route.startswith("affinity=")


async def test_a_stream_without_include_usage_has_no_usage_chunk() -> None:
    assert await read(Inside([Frame(payloads=[CHUNK]), LAST])) == [CHUNK]


@pytest.mark.parametrize(("loss", "reason"), [([ReplicaLost("gone")], "replica_lost"), ([DEAD], "engine_dead")])
async def test_a_loss_before_the_first_frame_is_retried_elsewhere(loss: list[Step], reason: str) -> None:
    inside = Inside(loss, [Frame(payloads=[CHUNK]), LAST])
    assert await read(inside) == [CHUNK]
    assert inside.relay.tickets[1].excluded == {"r1"}
    assert inside.records.retries == [reason]
    assert reason in labels.RETRY_REASONS, "the metric would count it as something else"
    assert inside.record.code == "ok"


async def test_a_second_loss_ends_in_an_error() -> None:
    inside = Inside([ReplicaLost("gone")], [ReplicaLost("gone too")])
    with pytest.raises(EngineFailed):
        await inside.inference.complete(ALICE, chat(), CALL)
    assert inside.record.code == "engine_failed"
    assert inside.record.status == 500


@pytest.mark.parametrize("end", [ReplicaLost("gone"), DEAD])
async def test_a_loss_after_the_first_chunk_is_not_retried(end: Step) -> None:
    inside = Inside([Frame(payloads=[CHUNK]), end])
    with pytest.raises(EngineFailed):
        await read(inside)
    assert len(inside.relay.streams) == 1
    assert inside.record.code == "engine_failed"


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param([Frame(payloads=[b"no JSON"]), LAST], id="first chunk can't be read"),
        pytest.param([Frame(payloads=[CHUNK]), RuntimeError("relay")], id="relay breaks"),
        pytest.param([Frame(payloads=[CHUNK])], id="stream ends without a last frame"),
    ],
)
async def test_a_defect_in_a_stream_is_booked_as_an_internal_error(defect: list[Step]) -> None:
    inside = Inside(defect)
    with pytest.raises(Exception) as caught:
        await read(inside)
    assert not isinstance(caught.value, OssatureError)
    assert (inside.record.code, inside.record.status) == ("internal_error", 500)
    assert inside.relay.streams[0].cancelled


async def test_a_fault_of_the_request_is_told_and_not_retried() -> None:
    inside = Inside([Frame(fault=Fault(FaultKind.CONTEXT_LENGTH, "too long", param="messages"))])
    with pytest.raises(ContextLengthExceeded) as caught:
        await inside.inference.complete(ALICE, chat(), CALL)
    assert caught.value.param == "messages"
    assert inside.record.status == 400


async def test_no_capacity_is_overloaded_with_a_wait() -> None:
    inside = Inside([NoCapacity("full")])
    with pytest.raises(Overloaded) as caught:
        await inside.inference.complete(ALICE, chat(), CALL)
    assert caught.value.retry_after_s
    assert inside.record.status == 503


async def test_a_model_without_replicas_is_overloaded_at_once() -> None:
    inside = Inside(ready=False)
    with pytest.raises(Overloaded):
        await inside.inference.complete(ALICE, chat(), CALL)
    assert inside.relay.streams == []
    assert inside.record.status == 503


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline_ends_a_request_and_aborts_its_generation(stream: bool) -> None:
    first: list[Step] = [Frame(payloads=[CHUNK])] if stream else []
    inside = Inside([*first, 30.0], timeout_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await (read(inside) if stream else inside.inference.complete(ALICE, chat(), CALL))
    assert inside.relay.streams[0].cancelled
    assert inside.record.code == "deadline_exceeded"


async def test_a_callers_deadline_can_only_shorten() -> None:
    inside = Inside([30.0], timeout_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await inside.inference.complete(ALICE, chat(), Call("grpc", "t", timeout_s=60))
    assert inside.record.duration_s < 5


@pytest.mark.parametrize("first", [[], [Frame(payloads=[CHUNK])]])
async def test_cancelling_a_whole_answer_aborts_its_generation(first: list[Step]) -> None:
    inside = Inside([*first, 30.0])
    task = asyncio.create_task(inside.inference.complete(ALICE, chat(), CALL))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inside.relay.streams[0].cancelled
    assert inside.record.code == "cancelled"


async def test_closing_a_stream_early_aborts_its_generation() -> None:
    inside = Inside([Frame(payloads=[CHUNK]), Frame(payloads=[CHUNK]), 30.0])
    stream = await inside.inference.stream(ALICE, chat(stream=True), CALL)
    async for _ in stream:
        break
    await stream.aclose()
    await stream.aclose()
    assert inside.relay.streams[0].cancelled
    assert inside.record.code == "cancelled"


async def test_requests_over_the_organizations_limit_are_rate_limited() -> None:
    inside = Inside([30.0], limit=1)
    first = asyncio.create_task(inside.inference.complete(ALICE, chat(), CALL))
    await asyncio.sleep(0.01)
    with pytest.raises(RateLimited):
        await inside.inference.complete(ALICE, chat(), CALL)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert inside.limit.in_progress("org_a") == 0


async def test_a_full_gateway_is_overloaded_with_a_wait() -> None:
    inside = Inside([30.0], max_in_progress=1)
    first = asyncio.create_task(inside.inference.complete(ALICE, chat(), CALL))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded) as caught:
        await inside.inference.complete(ALICE, chat(), CALL)
    assert caught.value.retry_after_s
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(IndexError):  # the second script: let in again, the relay has no more streams to give
        await inside.inference.complete(ALICE, chat(), CALL)


@pytest.mark.parametrize(("model", "error"), [("private", ModelNotFound), ("nothing", ModelNotFound)])
async def test_private_and_unknown_models_are_told_the_same(model: str, error: type[OssatureError]) -> None:
    inside = Inside()
    with pytest.raises(error) as caught:
        await inside.inference.complete(ALICE, chat(model=model), CALL)
    assert model in caught.value.message
    assert caught.value.message.replace(model, "?") == "The model '?' does not exist or you do not have access to it."
    assert inside.record.status == 404
    assert inside.record.model in ("private", "unknown")


def test_models_of_another_organization_are_not_listed() -> None:
    inside = Inside()
    assert [card.id for card in inside.inference.models(ALICE)] == ["m"]
    owner = Principal("org_b", "p", "k")
    assert [card.id for card in inside.inference.models(owner)] == ["m", "private"]
    assert inside.inference.model(owner, "private").max_model_len == 4096


async def test_admin_keys_run_nothing() -> None:
    with pytest.raises(PermissionDenied):
        await Inside().inference.complete(Principal("", "", "k", admin=True), chat(), CALL)


async def test_the_engine_gets_the_salt_of_the_plan_and_never_the_clients() -> None:
    inside = Inside([Frame(payloads=[b"{}"], usage=USAGE)])
    await inside.inference.complete(ALICE, chat(cache_salt="mine"), CALL)
    (request,) = inside.relay.requests
    assert request.cache_salt == "salt"
    assert b"mine" not in request.body
    assert b"cache_salt" not in request.body
