"""A real grpc.aio server with the edge, on a port of its own, and a channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc.aio
import pytest

from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.generated.ossature.v1.models_pb2_grpc import ModelServiceStub
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.errors import PermissionDenied, Unauthenticated
from cluster.identity.principal import Principal
from tests.unit.fake_inference import FakeInference
from tests.unit.grpc.fake_inference import ACME, OTHER, fake_inference
from tests.unit.grpc.plain_server import build_server

ADMIN = Principal(org_id="", project_id="", key_id="key-admin", admin=True)
KEYS = {"sk-acme": ACME, "sk-other": OTHER, "sk-admin": ADMIN}
MAX_REQUEST_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 2 << 20
AUTH = (("authorization", "Bearer sk-acme"),)
OTHER_AUTH = (("authorization", "Bearer sk-other"),)


async def authenticate(secret: str, organization: str | None, project: str | None) -> Principal:
    """As the real one: the key decides; organization and project must be the key's."""
    principal = KEYS.get(secret)
    if principal is None:
        raise Unauthenticated("Incorrect API key provided.")
    if organization not in (None, principal.org_id) or project not in (None, principal.project_id):
        raise PermissionDenied("The API key does not belong to that organization or project.", code="mismatched_organization")
    return principal


@dataclass
class Edge:
    """The running edge: ``ready`` is what its readiness check answers."""

    inference: FakeInference
    ready: bool = True
    address: str = ""
    channel: grpc.aio.Channel | None = None

    @property
    def chat(self) -> ChatServiceStub:
        return ChatServiceStub(self.channel)

    @property
    def models(self) -> ModelServiceStub:
        return ModelServiceStub(self.channel)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    running = Edge(fake_inference())
    servicer = GrpcEdge(running.inference, authenticate, lambda: running.ready, max_request_bytes=MAX_REQUEST_BYTES)
    server = build_server(servicer, max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    running.address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(running.address) as channel:
        running.channel = channel
        yield running
    await server.stop(0)
