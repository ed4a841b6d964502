"""What callers must not be able to do: come in without a key, see other organizations, break the server with bytes."""

from __future__ import annotations

import asyncio
import random

import grpc
import grpc.aio
import pytest

from cluster.edges.grpc.generated.ossature.v1 import models_pb2, tool_pb2
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.grpc.conftest import AUTH, MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES, OTHER_AUTH, Edge
from tests.unit.grpc.messages import request, stream_request

CREATE = "/ossature.v1.ChatService/CreateChatCompletion"
Metadata = tuple[tuple[str, str], ...]


async def code_of(call: grpc.aio.UnaryUnaryCall | grpc.aio.UnaryStreamCall) -> grpc.StatusCode:
    return await call.code()


async def raw(edge: Edge, payload: bytes, metadata: Metadata = AUTH, method: str = CREATE) -> tuple[grpc.StatusCode, str]:
    """Send bytes as they are."""
    assert edge.channel is not None
    call = edge.channel.unary_unary(method)(payload, metadata=metadata)
    return await call.code(), await call.details()


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "sk-acme"),),
        (("authorization", "Basic sk-acme"),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer wrong"),),
        (("authorization", "Bearer sk-acme"), ("authorization", "Bearer sk-other")),
        (("authorization", "Bearer sk-acme sk-other"),),
        (("openai-organization", "org-acme"),),
    ],
)
async def test_without_one_valid_key_nothing_is_done(edge: Edge, metadata: Metadata) -> None:
    calls = [
        edge.chat.CreateChatCompletion(request(), metadata=metadata),
        edge.chat.StreamChatCompletion(stream_request(), metadata=metadata),
        edge.models.ListModels(models_pb2.ListModelsRequest(), metadata=metadata),
        edge.models.GetModel(models_pb2.GetModelRequest(model="demo"), metadata=metadata),
    ]
    assert [await code_of(call) for call in calls] == [grpc.StatusCode.UNAUTHENTICATED] * 4
    assert edge.inference.asked == []


@pytest.mark.parametrize("key", ["openai-organization", "openai-project"])
async def test_metadata_cannot_lend_a_key_another_organization(edge: Edge, key: str) -> None:
    victim = "org-acme" if key == "openai-organization" else "proj-acme"
    call = edge.chat.CreateChatCompletion(request(model="acme-private"), metadata=(*OTHER_AUTH, (key, victim)))
    assert await call.code() == grpc.StatusCode.PERMISSION_DENIED
    assert edge.inference.asked == []


async def test_organization_and_project_of_the_key_may_be_named(edge: Edge) -> None:
    metadata = (*AUTH, ("openai-organization", "org-acme"), ("openai-project", "proj-acme"))
    answer = await edge.chat.CreateChatCompletion(request(), metadata=metadata)
    assert answer.id == "chatcmpl-1"


async def test_private_model_of_another_organization_is_as_unknown_as_one_that_does_not_exist(edge: Edge) -> None:
    outcomes = []
    for model in ("acme-private", "nothing-here"):
        call = edge.models.GetModel(models_pb2.GetModelRequest(model=model), metadata=OTHER_AUTH)
        outcomes.append((await call.code(), (await call.details()).replace(model, "…")))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == grpc.StatusCode.NOT_FOUND
    call = edge.chat.CreateChatCompletion(request(model="acme-private"), metadata=OTHER_AUTH)
    assert await call.code() == grpc.StatusCode.NOT_FOUND


async def test_models_lists_what_the_caller_may_use(edge: Edge) -> None:
    own = await edge.models.ListModels(models_pb2.ListModelsRequest(), metadata=AUTH)
    other = await edge.models.ListModels(models_pb2.ListModelsRequest(), metadata=OTHER_AUTH)
    assert [model.id for model in own.models] == ["demo", "acme-private"]
    assert [model.id for model in other.models] == ["demo"]
    assert (own.models[0].max_model_len, own.models[1].HasField("max_model_len")) == (4096, False)


async def test_get_model_describes_it(edge: Edge) -> None:
    answer = await edge.models.GetModel(models_pb2.GetModelRequest(model="demo"), metadata=AUTH)
    assert (answer.model.id, answer.model.created, answer.model.owned_by) == ("demo", 1_758_000_000, "ossature")


@pytest.mark.parametrize("payload", [b"\xff", b"\x12\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28", random.Random(1).randbytes(4096)])
async def test_malformed_bytes_are_an_invalid_argument(edge: Edge, payload: bytes) -> None:
    code, details = await raw(edge, payload)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert details == "The request is not a valid ossature.v1.CreateChatCompletionRequest message."


async def test_malformed_bytes_without_a_key_are_not_even_looked_at(edge: Edge) -> None:
    assert (await raw(edge, b"\xff", metadata=()))[0] == grpc.StatusCode.UNAUTHENTICATED


async def test_empty_request_misses_its_model(edge: Edge) -> None:
    code, details = await raw(edge, b"")
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "model" in details or "messages" in details


async def test_too_large_request_is_refused_by_the_edge_with_its_size(edge: Edge) -> None:
    code, details = await raw(edge, request("x" * MAX_REQUEST_BYTES).SerializeToString())
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(MAX_REQUEST_BYTES) in details


async def test_hundred_megabytes_are_refused_by_the_transport_and_other_calls_of_the_connection_go_on(edge: Edge) -> None:
    edge.inference.answer_stream = FakeStream([[chat_chunk("first")]], hangs=True)
    running = edge.chat.StreamChatCompletion(stream_request(), metadata=AUTH)
    await asyncio.wait_for(running.read(), timeout=5)
    code, details = await raw(edge, bytes(100 << 20))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(MAX_MESSAGE_BYTES) in details
    assert (await edge.chat.CreateChatCompletion(request(), metadata=AUTH)).id == "chatcmpl-1"
    assert not running.done()
    running.cancel()


async def test_large_request_is_answered(edge: Edge) -> None:
    answer = await edge.chat.CreateChatCompletion(request("x" * (MAX_REQUEST_BYTES - 1000)), metadata=AUTH)
    assert answer.id == "chatcmpl-1"


@pytest.mark.parametrize("method", ["/ossature.v1.ChatService/Nothing", "/ossature.v2.ChatService/CreateChatCompletion"])
async def test_unknown_method_is_unimplemented(edge: Edge, method: str) -> None:
    assert (await raw(edge, b"", method=method))[0] == grpc.StatusCode.UNIMPLEMENTED


async def test_unset_role_and_unknown_enum_values_name_their_field(edge: Edge) -> None:
    unset = request()
    unset.messages[0].role = 0
    unknown = request()
    unknown.reasoning_effort = 99
    for sent, field in ((unset, "messages.0.role"), (unknown, "reasoning_effort")):
        call = edge.chat.CreateChatCompletion(sent, metadata=AUTH)
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert field in await call.details()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
async def test_numbers_that_json_does_not_have_are_refused(edge: Edge, value: float) -> None:
    for sent in (request(temperature=value), request(logit_bias={1: value})):
        call = edge.chat.CreateChatCompletion(sent, metadata=AUTH)
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert edge.inference.asked == []


@pytest.mark.parametrize("schema", ["", "{", "[]", "1", '{"a": NaN}', '{"a": 1, "a": 2}', "{" + '"a":{' * 5000 + "}" * 5001])
async def test_schema_that_is_no_json_object_names_its_field(edge: Edge, schema: str) -> None:
    sent = request()
    sent.tools.add(function=tool_pb2.FunctionDefinition(name="f", parameters=schema))
    call = edge.chat.CreateChatCompletion(sent, metadata=AUTH)
    assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "tools.0.function.parameters" in await call.details()
