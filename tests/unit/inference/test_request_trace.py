"""What a traced request leaves: its span, one for each attempt, the decision, and never what was said."""

from __future__ import annotations

import json

import pytest

from cluster.engine.contract import Fault, FaultKind, Frame
from cluster.errors import ContextLengthExceeded, EngineFailed, Overloaded
from cluster.inference.service import Call
from cluster.relay.contract import NoCapacity, ReplicaLost
from cluster.telemetry.tracing.span import NO_SPAN, Kind
from cluster.telemetry.tracing.traceparent import parse
from tests.spans import RecordingTracer, above, attributes, id_of, trace_of
from tests.unit.inference.test_cluster_inference import ALICE, CHUNK, LAST, TIMING, USAGE, Inside, chat

SECRET = "marked-prompt-7c21"


async def streamed(inside: Inside, call: Call) -> None:
    stream = await inside.inference.stream(ALICE, chat(stream=True, messages=[{"role": "user", "content": SECRET}]), call)
    try:
        async for _ in stream:
            pass
    finally:
        await stream.aclose()


async def test_one_trace_from_the_edge_to_what_the_replica_is_handed() -> None:
    tracer = RecordingTracer()
    inside = Inside([Frame(payloads=[CHUNK]), LAST])
    edge = tracer.begin("POST /v1/chat/completions", Kind.SERVER)
    await streamed(inside, Call("http", "req_1", span=edge))
    edge.end()
    route, relay, request, edge_span = tracer.spans
    assert [span.name for span in (route, relay, request, edge_span)] == [
        "route",
        "relay",
        "chat",
        "POST /v1/chat/completions",
    ]
    assert (above(route), above(relay), above(request)) == (id_of(relay), id_of(request), id_of(edge_span))
    handed = parse(inside.relay.requests[0].trace)
    assert handed is not None
    assert (handed.trace_id, handed.span_id, handed.sampled) == (trace_of(edge_span), id_of(relay), True)
    assert attributes(relay) == {"ossature.replica_id": "r1", "ossature.attempt": 1}
    told = attributes(request)
    assert told.pop("gen_ai.response.id") == inside.record.request_id
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": USAGE.prompt_tokens,
        "gen_ai.usage.output_tokens": USAGE.completion_tokens,
        "ossature.cached_tokens": USAGE.cached_tokens,
        "ossature.reasoning_tokens": 0,
        "ossature.queue_s": TIMING.queue_s,
        "ossature.prefill_s": TIMING.prefill_s,
        "ossature.code": "ok",
        "ossature.attempts": 1,
        "ossature.edge": "http",
        "ossature.request_id": "req_1",
        "ossature.org_id": ALICE.org_id,
        "ossature.project_id": ALICE.project_id,
    }


async def test_an_attempt_that_was_lost_has_a_span_of_its_own() -> None:
    tracer = RecordingTracer()
    inside = Inside([ReplicaLost("gone")], [Frame(payloads=[CHUNK]), LAST])
    await streamed(inside, Call("http", "req_1", span=tracer.begin("edge", Kind.SERVER)))
    lost, kept = (span for span in tracer.spans if span.name == "relay")
    assert attributes(lost) == {"ossature.attempt": 1, "error.type": "replica_lost"}
    assert not lost.status.is_ok
    assert attributes(kept)["ossature.replica_id"] == "r2"
    assert kept.status.is_ok
    assert [request.trace is not None for request in inside.relay.requests] == [True, True]
    assert inside.relay.requests[0].trace != inside.relay.requests[1].trace


@pytest.mark.parametrize(
    ("script", "error", "code"),
    [
        ([NoCapacity("full")], Overloaded, "overloaded"),
        ([Frame(fault=Fault(FaultKind.CONTEXT_LENGTH, f"too long: {SECRET}"))], ContextLengthExceeded, "context_length_exceeded"),
        ([Frame(payloads=[CHUNK]), ReplicaLost("gone")], EngineFailed, "engine_failed"),
    ],
)
async def test_a_request_that_fails_says_so_by_its_code_alone(script: list[object], error: type[Exception], code: str) -> None:
    tracer = RecordingTracer()
    inside = Inside(script)  # type: ignore[arg-type]
    with pytest.raises(error):
        await streamed(inside, Call("http", "req_1", span=tracer.begin("edge", Kind.SERVER)))
    request = tracer.one("chat")
    assert attributes(request)["error.type"] == code
    assert not request.status.is_ok
    assert SECRET not in json.dumps([span.to_json() for span in tracer.spans])


async def test_a_request_whose_edge_decided_against_it_leaves_nothing() -> None:
    tracer = RecordingTracer()
    inside = Inside([Frame(payloads=[CHUNK]), LAST], tracer=tracer)
    await streamed(inside, Call("http", "req_1", span=NO_SPAN))
    assert tracer.spans == []
    assert inside.relay.requests[0].trace is None


async def test_a_request_that_no_edge_has_decided_on_begins_a_trace_here() -> None:
    tracer = RecordingTracer(sample_ratio=0.5, draws=[0.1, 0.9])
    inside = Inside([Frame(payloads=[CHUNK]), LAST], [Frame(payloads=[CHUNK]), LAST], tracer=tracer)
    await streamed(inside, Call("jobs", "job_1"))
    assert attributes(tracer.one("chat"))["ossature.request_id"] == "job_1"
    assert above(tracer.one("chat")) is None
    await streamed(inside, Call("jobs", "job_1"))
    assert len([span for span in tracer.spans if span.name == "chat"]) == 1
