"""Which requests are traced, below which spans, and what settings make of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from cluster.config.settings.telemetry import TracingSettings
from cluster.telemetry.tracing import opening, traceparent
from cluster.telemetry.tracing.opening import open_tracer
from cluster.telemetry.tracing.span import NO_SPAN, UNTRACED, Kind
from tests.spans import RecordingTracer, above, attributes, id_of, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (SAMPLED, True),
        (UNSAMPLED, False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_context_is_read_as_the_specification_has_it(header: str, sampled: bool) -> None:
    context = traceparent.parse(header)
    assert context is not None
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}", context.sampled) == (TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01x",
        f"00-{TRACE}-{SPAN}-1",
        f" {SAMPLED}",
        f"{SAMPLED}\n",
    ],
)
def test_a_malformed_context_counts_as_none(header: str | None) -> None:
    assert traceparent.parse(header) is None


def test_a_context_is_written_as_it_is_read() -> None:
    assert str(traceparent.parse(SAMPLED)) == SAMPLED
    assert str(traceparent.parse(UNSAMPLED)) == UNSAMPLED


def test_the_share_of_requests_that_the_ratio_says_is_recorded() -> None:
    tracer = RecordingTracer(sample_ratio=0.25, draws=[0.0, 0.2499, 0.25, 0.99])
    assert [tracer.begin("request", Kind.SERVER).recorded for _ in range(4)] == [True, True, False, False]


def test_a_caller_lends_its_trace_but_does_not_decide() -> None:
    tracer = RecordingTracer(sample_ratio=0.5, draws=[0.1, 0.9])
    recorded = tracer.begin("request", Kind.SERVER, UNSAMPLED)
    recorded.end()
    assert f"{trace_of(tracer.one('request')):032x}" == TRACE
    assert above(tracer.one("request")) == int(SPAN, 16)
    assert tracer.begin("request", Kind.SERVER, SAMPLED) is NO_SPAN


def test_callers_decide_where_that_is_switched_on() -> None:
    tracer = RecordingTracer(sample_ratio=0.5, follow_callers=True, draws=[0.9, 0.9])
    assert tracer.begin("request", Kind.SERVER, SAMPLED).recorded
    assert tracer.begin("request", Kind.SERVER, UNSAMPLED) is NO_SPAN
    assert tracer.begin("request", Kind.SERVER, "garbage") is NO_SPAN, "by the ratio, as without any"


def test_another_process_goes_on_below_the_span_that_it_was_handed() -> None:
    tracer = RecordingTracer(sample_ratio=0.0)
    gateway = RecordingTracer()
    request = gateway.begin("request", Kind.SERVER)
    assert request.traceparent is not None
    tracer.resume("engine", Kind.SERVER, request.traceparent).end()
    request.end()
    engine = tracer.one("engine")
    assert trace_of(engine) == trace_of(gateway.one("request"))
    assert above(engine) == id_of(gateway.one("request"))


def test_a_span_ends_once_and_says_what_went_wrong_by_a_code() -> None:
    tracer = RecordingTracer()
    span = tracer.begin("request", Kind.SERVER)
    span.set({"one": 1, "none": None})
    span.failed("engine_failed")
    child = span.child("part", began_ns=1_000)
    child.end(3_000)
    span.end()
    span.end()
    assert [found.name for found in tracer.spans] == ["part", "request"]
    part, request = tracer.spans
    assert (part.start_time, part.end_time) == (1_000, 3_000)
    assert attributes(request) == {"one": 1, "error.type": "engine_failed"}
    assert not request.status.is_ok
    assert request.status.description is None


def test_nothing_happens_where_nothing_is_traced() -> None:
    span = UNTRACED.begin("request", Kind.SERVER, SAMPLED)
    assert span is NO_SPAN
    assert span.child("part") is NO_SPAN
    assert span.traceparent is None
    assert not UNTRACED.on
    assert UNTRACED.resume("engine", Kind.SERVER, SAMPLED) is NO_SPAN


async def test_without_an_endpoint_nothing_is_traced() -> None:
    assert await open_tracer(TracingSettings(), "gateway") is UNTRACED
    assert await open_tracer(None, "engine:m") is UNTRACED


@pytest.mark.slow
def test_without_an_endpoint_opentelemetry_is_not_even_imported() -> None:
    program = (
        "import asyncio, sys\n"
        "from cluster.config.settings.telemetry import TracingSettings\n"
        "from cluster.telemetry.tracing.opening import open_tracer\n"
        "import cluster.inference.cluster_inference, cluster.edges.http.app, cluster.engine.tracing\n"
        "asyncio.run(open_tracer(TracingSettings(), 'gateway'))\n"
        "sys.exit('opentelemetry.sdk' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


async def test_a_collector_that_is_not_there_holds_up_nobody() -> None:
    settings = TracingSettings(endpoint="http://127.0.0.1:9", sample_ratio=1.0, timeout_s=0.2, max_waiting_spans=64)
    tracer = await open_tracer(settings, "gateway", "r-1")
    for _ in range(200):
        tracer.begin("request", Kind.SERVER).end()
    await tracer.close()
    await tracer.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "collector:4318"},
        {"endpoint": "http://user:password@collector:4318"},
        {"headers": "no value"},
        {"headers": "=value"},
        {"sample_ratio": 1.5},
    ],
)
def test_settings_that_could_not_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TracingSettings.model_validate(wrong)


def test_headers_are_no_part_of_any_text() -> None:
    settings = TracingSettings.model_validate({"headers": "X-Api-Key=collector-secret, x-scope=a"})
    assert "collector-secret" not in repr(settings)
    assert opening._headers(settings) == {"x-api-key": "collector-secret", "x-scope": "a"}
