"""The gRPC edge of the running cluster, through Ray Serve and HAProxy."""

from __future__ import annotations

import json
import time

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, chat_pb2_grpc, message_pb2, models_pb2, models_pb2_grpc, tool_pb2
from tests.e2e.conftest import RunningCluster
from tests.e2e.test_openai_client import ORDER_SCHEMA

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"


def ask(text: str, **fields: object) -> chat_pb2.CreateChatCompletionRequest:
    message = message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content=text)
    return chat_pb2.CreateChatCompletionRequest(model=MODEL, messages=[message], **fields)  # type: ignore[arg-type]


def bearer(key: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {key}")]


def test_unary_chat(running: RunningCluster) -> None:
    with running.channel() as channel:
        answer = chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
            ask("Hello", temperature=0), metadata=bearer(running.api_key), timeout=60
        )
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == chat_pb2.FINISH_REASON_STOP
    assert answer.usage.total_tokens > 0


def test_stream_gives_the_same_text_as_http(running: RunningCluster) -> None:
    request = chat_pb2.StreamChatCompletionRequest(
        completion=ask("Who are you?", temperature=0), stream_options=chat_pb2.StreamOptions(include_usage=True)
    )
    with running.channel() as channel:
        chunks = list(
            chat_pb2_grpc.ChatServiceStub(channel).StreamChatCompletion(request, metadata=bearer(running.api_key), timeout=60)
        )
    text = "".join(choice.delta.content for chunk in chunks for choice in chunk.choices)
    whole = running.client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Who are you?"}], temperature=0
    )
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens  # type: ignore[union-attr]


def test_tool_call(running: RunningCluster) -> None:
    function = tool_pb2.FunctionDefinition(name="place_order", description="Place an order", strict=True)
    function.parameters = json.dumps(ORDER_SCHEMA)
    with running.channel() as channel:
        answer = chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
            ask("Order 5 mugs", temperature=0, tools=[tool_pb2.Tool(function=function)]),
            metadata=bearer(running.api_key),
            timeout=60,
        )
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("place_order", {"item": "mugs", "quantity": 5})


def test_models_are_those_of_the_caller(running: RunningCluster) -> None:
    with running.channel() as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        alpha = stub.ListModels(models_pb2.ListModelsRequest(), metadata=bearer(running.api_key), timeout=30)
        beta = stub.ListModels(models_pb2.ListModelsRequest(), metadata=bearer(running.beta_key), timeout=30)
    assert [model.id for model in alpha.models] == [MODEL]
    assert {model.id for model in beta.models} == {MODEL, "bench-qwen3"}


def test_errors_carry_standard_codes_and_details(running: RunningCluster) -> None:
    with running.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
            ask("Hello", temperature=9), metadata=bearer(running.api_key), timeout=30
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    status = rpc_status.from_call(caught.value)
    violations = error_details_pb2.BadRequest()
    assert any(detail.Unpack(violations) for detail in status.details)
    assert violations.field_violations[0].field == "temperature"


def test_health_and_reflection(running: RunningCluster) -> None:
    with running.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=""), timeout=30)
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert {"ossature.v1.ChatService", "ossature.v1.ModelService", "grpc.health.v1.Health"} <= services


def test_a_passed_deadline_is_deadline_exceeded(running: RunningCluster) -> None:
    with running.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        chat_pb2_grpc.ChatServiceStub(channel).CreateChatCompletion(
            ask("Tell me about yourself.", ignore_eos=True, max_completion_tokens=4000), metadata=bearer(running.api_key), timeout=1
        )
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
    assert engines_are_idle_within(running, 3.0)


def test_cancelling_a_stream_aborts_its_generation(running: RunningCluster) -> None:
    request = chat_pb2.StreamChatCompletionRequest(completion=ask("Hello", ignore_eos=True, max_completion_tokens=4000))
    with running.channel() as channel:
        call = chat_pb2_grpc.ChatServiceStub(channel).StreamChatCompletion(request, metadata=bearer(running.api_key), timeout=60)
        next(call)
        call.cancel()
        assert engines_are_idle_within(running, 3.0)


def generated_tokens(running: RunningCluster) -> float:
    """What vLLM itself has counted, over all engines."""
    lines = (line for line in running.scrape().splitlines() if line.startswith("vllm:generation_tokens_total{"))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def engines_are_idle_within(running: RunningCluster, seconds: float) -> bool:
    """Whether the engines stop generating within this time: two looks, some steps apart, see the same count."""
    deadline = time.monotonic() + seconds
    before = generated_tokens(running)
    while True:
        overdue = time.monotonic() > deadline
        time.sleep(0.25)
        now = generated_tokens(running)
        if now == before:
            return True
        if overdue:
            return False
        before = now
