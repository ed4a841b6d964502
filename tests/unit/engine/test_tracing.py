"""Spans of a request inside an engine replica, from the times that its engine tells."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, EngineTiming, EngineUsage, Fault, FaultKind, Frame, Operation, PayloadSink
from cluster.engine.deployment import EngineReplica
from cluster.engine.tracing import traced
from tests.spans import RecordingTracer, above, attributes, id_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
USAGE = EngineUsage(prompt_tokens=100, completion_tokens=5, cached_tokens=32)
TIMING = EngineTiming(queue_s=0.25, prefill_s=0.5, decode_s=2.0)
S = 1_000_000_000


def request(*, stream: bool, trace: str | None = TRACE) -> EngineRequest:
    return EngineRequest(
        request_id="chatcmpl-1",
        operation=Operation.CHAT,
        body=b'{"messages":[{"role":"user","content":"marked-prompt"}]}',
        stream=stream,
        cache_salt="salt",
        org_tag="org",
        trace=trace,
    )


async def replay(*frames: Frame) -> AsyncGenerator[Frame, None]:
    for frame in frames:
        yield frame


async def run(tracer: RecordingTracer, asked: EngineRequest, frames: AsyncGenerator[Frame, None], at_s: Iterator[float]) -> int:
    assert asked.trace is not None
    count = 0
    async for _ in traced(tracer, "m", asked, asked.trace, frames, lambda: round(next(at_s) * S)):
        count += 1
    return count


def phases(tracer: RecordingTracer) -> dict[str, tuple[float, float]]:
    found = {}
    for span in tracer.spans:
        if span.name != "engine":
            assert span.start_time is not None
            assert span.end_time is not None
            assert above(span) == id_of(tracer.one("engine"))
            found[span.name] = (span.start_time / S, span.end_time / S)
    return found


async def test_a_stream_is_queued_computed_and_decoded() -> None:
    tracer = RecordingTracer()
    frames = replay(Frame(payloads=[b"a"]), Frame(payloads=[b"b"]), Frame(usage=USAGE, timing=TIMING))
    assert await run(tracer, request(stream=True), frames, iter([100.0, 102.5])) == 3
    assert phases(tracer) == {"queue": (99.25, 99.5), "prefill": (99.5, 100.0), "decode": (100.0, 102.5)}
    assert attributes(tracer.one("engine")) == {
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 5,
        "ossature.cached_tokens": 32,
        "ossature.streamed": True,
    }


async def test_of_an_answer_that_comes_whole_the_engine_tells_how_long_it_decoded() -> None:
    tracer = RecordingTracer()
    frames = replay(Frame(payloads=[b"whole"], usage=USAGE, timing=TIMING))
    await run(tracer, request(stream=False), frames, iter([110.0, 110.0]))
    assert phases(tracer) == {"queue": (107.25, 107.5), "prefill": (107.5, 108.0), "decode": (108.0, 110.0)}


async def test_a_fault_is_named_by_its_kind_and_not_by_its_message() -> None:
    tracer = RecordingTracer()
    frames = replay(Frame(fault=Fault(FaultKind.INVALID_REQUEST, "the prompt 'marked-prompt' is wrong")))
    await run(tracer, request(stream=True), frames, iter([1.0, 1.0]))
    engine = tracer.one("engine")
    assert attributes(engine)["error.type"] == "invalid_request"
    assert not engine.status.is_ok
    assert "marked-prompt" not in engine.to_json()


async def test_a_stream_that_nobody_wants_any_more_ends_its_span_and_its_engine() -> None:
    tracer = RecordingTracer()
    closed = []

    async def endless() -> AsyncGenerator[Frame, None]:
        try:
            while True:
                yield Frame(payloads=[b"a"])
        finally:
            closed.append(True)

    frames = traced(tracer, "m", request(stream=True), TRACE, endless())
    await anext(frames)
    await frames.aclose()
    assert closed == [True]
    assert attributes(tracer.one("engine"))["ossature.code"] == "cancelled"


class FakeEngine:
    """Answers every request with one token."""

    async def start(self) -> None:
        return

    async def generate(self, asked: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        yield Frame(payloads=[b"{}"], usage=USAGE, timing=TIMING)

    async def check_health(self) -> None:
        return

    async def stop(self) -> None:
        return


async def test_a_replica_makes_spans_for_the_requests_that_are_traced_and_for_no_others() -> None:
    tracer = RecordingTracer()
    replica = EngineReplica(ModelSettings(id="m", source="x"), RelaySettings(), engine=FakeEngine(), tracer=tracer)
    for trace in (None, TRACE):
        assert [item async for item in replica.stream(request(stream=False, trace=trace))]
    assert sorted(span.name for span in tracer.spans) == ["decode", "engine", "prefill", "queue"]
