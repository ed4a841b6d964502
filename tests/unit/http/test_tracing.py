"""Spans of HTTP requests: below whom, for which paths, and with nothing that a caller wrote."""

from __future__ import annotations

import pytest

from tests.spans import RecordingTracer, above, attributes, trace_of
from tests.unit.http.conftest import Edge
from tests.unit.http.fakes import ACME

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BODY = {"model": "alpha", "messages": [{"role": "user", "content": "marked-prompt"}]}


@pytest.fixture
def tracer() -> RecordingTracer:
    return RecordingTracer()


async def test_a_request_is_a_span_below_its_caller_s(tracer: RecordingTracer) -> None:
    async with Edge(tracer=tracer).served() as edge:
        answer = await edge.request("GET", "/v1/models", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    (span,) = tracer.spans
    assert span.name == "GET /v1/models"
    assert (f"{trace_of(span):032x}", above(span)) == (TRACE, int(SPAN, 16))
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/v1/models",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "ossature.request_id": answer.headers["x-request-id"],
        "ossature.org_id": ACME.org_id,
        "ossature.project_id": ACME.project_id,
    }


async def test_spans_are_named_by_routes_and_hold_nothing_that_callers_wrote(tracer: RecordingTracer) -> None:
    async with Edge(tracer=tracer).served() as edge:
        await edge.request("GET", "/v1/models/marked-model?marked-query=1", headers={"user-agent": "marked-agent"})
        await edge.post("/v1/chat/completions", BODY | {"model": "marked-model"})
        await edge.request("GET", "/v1/models", key="sk-marked-key")
    assert [span.name for span in tracer.spans] == [
        "GET /v1/models/{model_id:path}",
        "POST /v1/chat/completions",
        "GET /v1/models",
    ]
    assert [attributes(span)["http.response.status_code"] for span in tracer.spans] == [404, 404, 401]
    assert all(span.status.is_ok or span.status.is_unset for span in tracer.spans), "callers' faults are not the server's"
    assert "marked" not in "".join(span.to_json() for span in tracer.spans)


async def test_a_defect_is_a_failure(tracer: RecordingTracer) -> None:
    async with Edge(tracer=tracer, inference=object()).served() as edge:
        assert (await edge.request("GET", "/v1/models")).status_code == 500
    (span,) = tracer.spans
    assert attributes(span)["error.type"] == "internal_error"
    assert not span.status.is_ok


async def test_what_anybody_may_ask_every_second_is_not_traced(tracer: RecordingTracer) -> None:
    async with Edge(tracer=tracer).served() as edge:
        for path in ("/healthz", "/readyz", "/", "/nowhere"):
            await edge.request("GET", path)
    assert tracer.spans == []
