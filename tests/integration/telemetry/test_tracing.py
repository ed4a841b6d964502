"""One request is one trace, over the gateway and the engine replica, as a real collector gets it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.config.settings.telemetry import TracingSettings
from cluster.telemetry.tracing.opening import open_tracer
from tests.integration.telemetry.otlp_receiver import Received, receiving
from tests.integration.telemetry.traced_cluster import MODEL, REPLICA_ID, traced_cluster
from tests.unit.http.fakes import ACME

pytestmark = pytest.mark.integration

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PROMPT = "marked-prompt " * 400


async def test_one_request_is_one_trace_over_gateway_relay_and_engine() -> None:
    with receiving() as receiver:
        settings = TracingSettings.model_validate(
            {"endpoint": receiver.endpoint, "sample_ratio": 1.0, "headers": "X-Collector-Key=collector-secret"}
        )
        gateway, engine = await open_tracer(settings, "gateway", "g-1"), await open_tracer(settings, f"engine:{MODEL}", REPLICA_ID)
        async with traced_cluster(gateway, engine) as edge:
            body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
            # The first call goes by Serve's handle, the second over the channel.
            assert (await edge.post("/v1/chat/completions", body)).status_code == 200
            caller = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
            answer = await edge.post("/v1/chat/completions", body, headers=caller)
            assert answer.text.count("marked-answer") == 4
        await gateway.close()
        await engine.close()

        spans = receiver.spans
        assert receiver.paths == {"/v1/traces"}
        assert receiver.keys == {"collector-secret"}
        sent = b"".join(receiver.bodies)
        assert b"marked" not in sent
        assert b"sk-acme" not in sent
    assert len({found.span.trace_id for found in spans}) == 2
    check(one_of(spans, TRACE), answer.headers["x-request-id"])


def one_of(spans: list[Received], trace: str) -> Callable[[str], Received]:
    def one(name: str) -> Received:
        (found,) = (found for found in spans if found.span.trace_id.hex() == trace and found.name == name)
        return found

    return one


def check(one: Callable[[str], Received], request_id: str) -> None:
    """The whole tree, and that each part lies within what it belongs to."""
    edge, request, relay, engine = one("POST /v1/chat/completions"), one("chat"), one("relay"), one("engine")
    assert edge.span.parent_span_id.hex() == CALLER
    for lower, upper in (
        (request, edge),
        (relay, request),
        (engine, relay),
        (one("route"), relay),
        (one("queue"), engine),
        (one("prefill"), engine),
        (one("decode"), engine),
    ):
        assert lower.span.parent_span_id == upper.span.span_id, f"{lower.name} below {upper.name}"
        assert upper.span.start_time_unix_nano <= lower.span.start_time_unix_nano, lower.name
        assert lower.span.end_time_unix_nano <= upper.span.end_time_unix_nano, lower.name
    assert {found.service for found in (edge, request, relay, one("route"))} == {"ossature-gateway"}
    assert {found.service for found in (engine, one("queue"), one("prefill"), one("decode"))} == {"ossature-engine"}
    assert edge.attributes["ossature.request_id"] == request.attributes["ossature.request_id"] == request_id
    assert request.attributes["ossature.org_id"] == ACME.org_id
    assert request.attributes["gen_ai.usage.input_tokens"] == engine.attributes["gen_ai.usage.input_tokens"] == 2000
    assert relay.attributes["ossature.replica_id"] == REPLICA_ID
    route = one("route").attributes
    assert route["ossature.replica_id"] == REPLICA_ID
    assert int(str(route["ossature.route.prompt_tokens_expected"])) > 0
    assert {"ossature.route.wait_ms", "ossature.route.prefill_ms", "ossature.route.cached_tokens_expected"} <= set(route)
    assert round((one("decode").span.start_time_unix_nano - one("prefill").span.start_time_unix_nano) / 1e6) == 20
