"""Spans of gRPC calls, below the caller's in their metadata."""

from __future__ import annotations

import grpc
import pytest

from cluster.edges.grpc.generated.ossature.v1 import models_pb2
from cluster.edges.grpc.generated.ossature.v1.models_pb2_grpc import ModelServiceStub
from cluster.edges.grpc.servicer import GrpcEdge
from tests.spans import RecordingTracer, above, attributes, trace_of
from tests.unit.grpc.conftest import AUTH, MAX_MESSAGE_BYTES, authenticate
from tests.unit.grpc.fake_inference import ACME, fake_inference
from tests.unit.grpc.plain_server import build_server

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = ("traceparent", f"00-{TRACE}-{SPAN}-01")
MALFORMED = ("traceparent", f"00-{TRACE}-{SPAN}")


async def test_calls_are_spans_below_their_callers() -> None:
    tracer = RecordingTracer()
    server = build_server(
        GrpcEdge(fake_inference(), authenticate, lambda: True, tracer=tracer), max_message_bytes=MAX_MESSAGE_BYTES
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            models = ModelServiceStub(channel)
            await models.ListModels(models_pb2.ListModelsRequest(), metadata=(*AUTH, CALLER))
            with pytest.raises(grpc.aio.AioRpcError):
                await models.GetModel(models_pb2.GetModelRequest(model="marked-model"), metadata=(*AUTH, MALFORMED))
    finally:
        await server.stop(0)
    listed, refused = tracer.spans
    assert listed.name == "ossature.v1.ModelService/ListModels"
    assert (f"{trace_of(listed):032x}", above(listed)) == (TRACE, int(SPAN, 16))
    told = attributes(listed)
    assert str(told.pop("ossature.request_id")).startswith("req_")
    assert told == {
        "rpc.system": "grpc",
        "rpc.service": "ossature.v1.ModelService",
        "rpc.method": "ListModels",
        "rpc.grpc.status_code": 0,
        "ossature.org_id": ACME.org_id,
    }
    assert above(refused) is None, "a malformed context is none"
    assert attributes(refused)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert refused.status.is_unset, "the caller's fault is not the server's"
    assert "marked-model" not in refused.to_json()
