"""grpc.health.v1 and reflection, as probes, load balancers and tools use them: without a key."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2
from cluster.edges.grpc.health import Health
from cluster.edges.grpc.registration import SERVICE_NAMES
from tests.unit.grpc.conftest import AUTH, Edge

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def stub(edge: Edge) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(edge.channel)


@pytest.mark.parametrize("service", ["", "ossature.v1.ChatService", "ossature.v1.ModelService", "grpc.health.v1.Health"])
async def test_check_follows_readiness(edge: Edge, service: str) -> None:
    asked = health_pb2.HealthCheckRequest(service=service)
    assert (await stub(edge).Check(asked)).status == SERVING
    edge.ready = False
    assert (await stub(edge).Check(asked)).status == NOT_SERVING


async def test_check_of_an_unknown_service_is_not_found(edge: Edge) -> None:
    call = stub(edge).Check(health_pb2.HealthCheckRequest(service="ossature.v1.Nothing"))
    assert await call.code() == grpc.StatusCode.NOT_FOUND


async def test_list_names_every_service(edge: Edge) -> None:
    edge.ready = False
    answer = await stub(edge).List(health_pb2.HealthListRequest())
    assert {name: status.status for name, status in answer.statuses.items()} == dict.fromkeys(("", *SERVICE_NAMES), NOT_SERVING)


async def test_watch_tells_the_status_at_once_and_every_change(edge: Edge) -> None:
    call = stub(edge).Watch(health_pb2.HealthCheckRequest())
    seen = []
    for ready in (False, True, False):
        seen.append((await asyncio.wait_for(call.read(), timeout=5)).status)
        edge.ready = ready
    assert seen == [SERVING, NOT_SERVING, SERVING]
    call.cancel()


async def test_watch_of_an_unknown_service_says_so(edge: Edge) -> None:
    call = stub(edge).Watch(health_pb2.HealthCheckRequest(service="nothing"))
    assert (await asyncio.wait_for(call.read(), timeout=5)).status == SERVICE_UNKNOWN
    call.cancel()


async def test_watch_ends_after_its_longest_life() -> None:
    health = Health(lambda: True, poll_s=0.01, watch_s=0.05)
    async with asyncio.timeout(5):
        assert [answer.status async for answer in health.watch("")] == [SERVING]


async def test_reflection_tells_enough_to_call_without_generated_code(edge: Edge) -> None:
    def call() -> tuple[set[str], str]:
        with grpc.insecure_channel(edge.address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            method = pool.FindServiceByName("ossature.v1.ChatService").FindMethodByName("CreateChatCompletion")
            request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            invoke = channel.unary_unary(
                f"/{method.containing_service.full_name}/{method.name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            answer = invoke(request(model="demo", messages=[{"role": "ROLE_USER", "content": "Hi"}]), metadata=AUTH)
            return set(database.get_services()), answer.choices[0].message.content

    services, content = await asyncio.to_thread(call)
    assert services == {*SERVICE_NAMES, "grpc.reflection.v1alpha.ServerReflection"}
    assert content == "Hello."


def test_field_numbers_of_the_generated_code_are_stable() -> None:
    """Numbers are the wire format: these clients have been told of."""
    numbers = {field.name: field.number for field in chat_pb2.CreateChatCompletionRequest.DESCRIPTOR.fields}
    assert list(numbers.items())[:3] == [("model", 1), ("messages", 2), ("max_completion_tokens", 3)]
    assert sorted(numbers.values()) == list(range(1, len(numbers) + 1))
