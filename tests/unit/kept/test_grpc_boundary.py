"""Who may call, and what is taken: the same for every method of the three services."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from google.protobuf.message_factory import GetMessageClass

from cluster.edges.grpc.generated.ossature.v1 import evals_pb2
from cluster.edges.grpc.servicer import GrpcEdge
from tests.unit.grpc.fake_inference import fake_inference
from tests.unit.grpc.plain_server import build_server
from tests.unit.kept.errors import Refusal, refused
from tests.unit.kept.evals import an_eval, asking, create_eval, inline
from tests.unit.kept.scene import AUTH, MAX_MESSAGE_BYTES, Metadata, Scene, authenticate
from tests.unit.kept.test_isolation_grpc import METHODS, called, told


async def raw(channel: grpc.aio.Channel, name: str, payload: bytes, metadata: Metadata = AUTH) -> Refusal:
    """A method's refusal of bytes that need not be a message."""
    method = METHODS[name]
    path = f"/{method.containing_service.full_name}/{name}"
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    return await refused(told(make(path)(payload, metadata=metadata, timeout=60)))


async def test_without_a_key_nothing_is_even_looked_at(scene: Scene) -> None:
    for name in METHODS:
        refusal = await raw(scene.channel, name, b"\xff", ())
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED, name


async def test_an_admin_key_has_no_project(scene: Scene) -> None:
    for name, method in METHODS.items():
        refusal = await refused(told(called(scene, name, GetMessageClass(method.input_type)(), "sk-admin")))
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED, name


async def test_malformed_bytes_are_named_by_the_message_that_they_are_not(scene: Scene) -> None:
    for name, method in METHODS.items():
        refusal = await raw(scene.channel, name, b"\xff")
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_MESSAGE"), name
        assert method.input_type.full_name in refusal.message


async def test_a_request_without_data_of_its_own_is_small(scene: Scene) -> None:
    unknown_field = b"\xfa\x7f\xc0\x84\x3d" + bytes(1_000_000)  # of a number that no message has
    for name in METHODS.keys() - {"CreateEval", "CreateEvalRun"}:
        refusal = await raw(scene.channel, name, unknown_field)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"), name
        assert "65536" in refusal.message


async def test_a_run_brings_as_much_as_an_http_body_and_no_more(scene: Scene) -> None:
    eval_id = await an_eval(scene)
    fits = evals_pb2.CreateEvalRunRequest(eval_id=eval_id, data_source=asking(inline(("q", "x" * 900_000))))
    run = (await scene.evals.CreateEvalRun(fits, metadata=AUTH)).run
    assert len(run.data_source.completions.source.file_content.content[0].item) > 900_000
    too_large = evals_pb2.CreateEvalRunRequest(eval_id=eval_id, data_source=asking(inline(("q", "x" * 1_100_000))))
    refusal = await refused(scene.evals.CreateEvalRun(too_large, metadata=AUTH))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")


async def test_json_text_has_the_bounds_of_a_body(scene: Scene) -> None:
    deep = '{"type": "object", "a":' * 70 + "1" + "}" * 70
    asked = create_eval()
    asked.data_source_config.custom.item_schema = deep
    refusal = await refused(scene.evals.CreateEval(asked, metadata=AUTH))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "JSON_TOO_DEEP")


@pytest.mark.parametrize("name", ["GetStoredCompletion", "CreateEval", "WatchFineTuningJob"])
async def test_a_server_that_keeps_nothing_says_so(name: str) -> None:
    server = build_server(GrpcEdge(fake_inference(), authenticate, lambda: True), max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        refusal = await raw(channel, name, b"")
    await server.stop(0)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED")
