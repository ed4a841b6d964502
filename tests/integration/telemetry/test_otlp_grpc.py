"""Spans by OTLP over gRPC, to a real server of that service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server

from cluster.config.settings.telemetry import TracingSettings
from cluster.telemetry.tracing.opening import open_tracer
from cluster.telemetry.tracing.span import Kind

pytestmark = pytest.mark.integration


class Collector(TraceServiceServicer):  # type: ignore[misc]  # generated without types
    """Remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.keys: set[str] = set()

    async def Export(
        self, request: ExportTraceServiceRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> ExportTraceServiceResponse:
        self.requests.append(request)
        self.keys |= {str(value) for name, value in context.invocation_metadata() or () if name == "x-collector-key"}
        return ExportTraceServiceResponse()

    @property
    def names(self) -> list[str]:
        resources = [each for request in self.requests for each in request.resource_spans]
        return [span.name for each in resources for scope in each.scope_spans for span in scope.spans]


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, int]]:
    server, collector = grpc.aio.server(), Collector()
    add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, port
    finally:
        await server.stop(None)


async def test_spans_reach_a_collector_over_grpc_with_their_headers() -> None:
    async with collecting() as (collector, port):
        settings = TracingSettings.model_validate(
            {
                "endpoint": f"http://127.0.0.1:{port}",
                "protocol": "grpc",
                "sample_ratio": 1.0,
                "headers": "X-Collector-Key=collector-secret",
            }
        )
        tracer = await open_tracer(settings, "gateway", "g-1")
        tracer.begin("POST /v1/chat/completions", Kind.SERVER).end()
        await tracer.close()
        assert collector.names == ["POST /v1/chat/completions"]
        assert collector.keys == {"collector-secret"}


async def test_a_collector_that_is_not_there_holds_nobody_up() -> None:
    settings = TracingSettings.model_validate(
        {"endpoint": "http://127.0.0.1:9", "protocol": "grpc", "sample_ratio": 1.0, "timeout_s": 0.5}
    )
    tracer = await open_tracer(settings, "gateway", "g-1")
    tracer.begin("POST /v1/chat/completions", Kind.SERVER).end()
    await tracer.close()
