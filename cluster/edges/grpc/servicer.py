"""The methods of the gRPC services, as Ray Serve calls them on an ingress deployment: by bare name, with Serve's context."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2

from cluster.edges.grpc.call import Context, RpcCall
from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, models_pb2
from cluster.edges.grpc.health import Health
from cluster.edges.grpc.patience import ReaderPatience
from cluster.edges.grpc.translate import requests, responses
from cluster.edges.refusals import OnRefusal, uncounted
from cluster.errors import InvalidRequest, RequestTooLarge
from cluster.identity.principal import Principal
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits
from cluster.inference.service import Inference, ModelCard

Authenticate = Callable[[str, str | None, str | None], Awaitable[Principal]]
"""From an API key's secret, and the organization and project to act for, to the caller. Raises ``Unauthenticated``."""

_OFF_LOOP_BYTES = 256 << 10
"""Requests from this size on are decoded and validated in a thread: it takes milliseconds, in which no stream could move."""

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class _Edge:
    inference: Inference
    authenticate: Authenticate
    health: Health
    max_request_bytes: int
    write_timeout_s: float
    limits: RequestLimits
    on_refusal: OnRefusal


class GrpcEdge:
    """Everything that the gRPC services do. Requests are serialized messages (see ``handlers.py``), answers message objects.

    No method raises for what a caller did or the cluster can't: they set a status on the context and return an empty message.
    """

    def __init__(
        self,
        inference: Inference,
        authenticate: Authenticate,
        readiness: Callable[[], bool],
        *,
        max_request_bytes: int = 32 << 20,
        write_timeout_s: float = 60.0,
        limits: RequestLimits = DEFAULT_LIMITS,
        on_refusal: OnRefusal = uncounted,
    ) -> None:
        # One attribute under a name of its own: the class is mixed into a deployment that has attributes too.
        self._grpc_edge = _Edge(inference, authenticate, Health(readiness), max_request_bytes, write_timeout_s, limits, on_refusal)

    # --- ossature.v1.ChatService ------------------------------------------------------------------------------------------

    async def CreateChatCompletion(self, request: bytes, grpc_context: Context) -> chat_pb2.CreateChatCompletionResponse:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc)
            typed = await self._chat_request(request, chat_pb2.CreateChatCompletionRequest, requests.completion_body)
            completion = await self._grpc_edge.inference.complete(principal, typed, rpc.origin())
            rpc.route = completion.route
            return responses.completion(completion.body)
        return chat_pb2.CreateChatCompletionResponse()

    async def StreamChatCompletion(
        self, request: bytes, grpc_context: Context
    ) -> AsyncGenerator[chat_pb2.StreamChatCompletionResponse, None]:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc)
            typed = await self._chat_request(request, chat_pb2.StreamChatCompletionRequest, requests.stream_body)
            stream = await self._grpc_edge.inference.stream(principal, typed, rpc.origin())
            rpc.route = stream.route
            patience = ReaderPatience(self._grpc_edge.write_timeout_s, stream.aclose)
            try:
                async for payloads in stream:
                    for payload in payloads:
                        with patience:
                            yield responses.chunk(payload)
            finally:
                await stream.aclose()
        yield chat_pb2.StreamChatCompletionResponse()  # carries the status, see handlers.py

    # --- ossature.v1.ModelService -----------------------------------------------------------------------------------------

    async def ListModels(self, request: bytes, grpc_context: Context) -> models_pb2.ListModelsResponse:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc)
            self._decoded(request, models_pb2.ListModelsRequest)
            cards = self._grpc_edge.inference.models(principal)
            return models_pb2.ListModelsResponse(models=[_model(card) for card in cards])
        return models_pb2.ListModelsResponse()

    async def GetModel(self, request: bytes, grpc_context: Context) -> models_pb2.GetModelResponse:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc)
            wanted = self._decoded(request, models_pb2.GetModelRequest)
            return models_pb2.GetModelResponse(model=_model(self._grpc_edge.inference.model(principal, wanted.model)))
        return models_pb2.GetModelResponse()

    # --- grpc.health.v1.Health: no key needed -----------------------------------------------------------------------------

    async def Check(self, request: bytes, grpc_context: Context) -> health_pb2.HealthCheckResponse:
        with RpcCall(grpc_context, self._grpc_edge.on_refusal).reported():
            return self._grpc_edge.health.check(self._decoded(request, health_pb2.HealthCheckRequest).service)
        return health_pb2.HealthCheckResponse()

    async def List(self, request: bytes, grpc_context: Context) -> health_pb2.HealthListResponse:
        with RpcCall(grpc_context, self._grpc_edge.on_refusal).reported():
            self._decoded(request, health_pb2.HealthListRequest)
            return self._grpc_edge.health.list()
        return health_pb2.HealthListResponse()

    async def Watch(self, request: bytes, grpc_context: Context) -> AsyncGenerator[health_pb2.HealthCheckResponse, None]:
        with RpcCall(grpc_context, self._grpc_edge.on_refusal).reported():
            service = self._decoded(request, health_pb2.HealthCheckRequest).service
            async with aclosing(self._grpc_edge.health.watch(service)) as statuses:
                async for status in statuses:
                    yield status
        yield health_pb2.HealthCheckResponse()  # carries the status, see handlers.py

    # --- parts of the above -----------------------------------------------------------------------------------------------

    async def _principal(self, rpc: RpcCall) -> Principal:
        principal = await self._grpc_edge.authenticate(*rpc.credentials())
        rpc.org_id = principal.org_id
        admin_key = rpc.admin_key()
        if admin_key is not None:
            rpc.explain = (await self._grpc_edge.authenticate(admin_key, None, None)).admin
        return principal

    async def _chat_request(
        self, request: bytes, kind: type[_M], body: Callable[[_M, RequestLimits], Mapping[str, object]]
    ) -> GenerationRequest:
        limits = self._grpc_edge.limits

        def parsed() -> GenerationRequest:
            return ChatCompletionRequest.parse(body(self._decoded(request, kind), limits), limits=limits)

        return await asyncio.to_thread(parsed) if len(request) >= _OFF_LOOP_BYTES else parsed()

    def _decoded(self, request: bytes, kind: type[_M]) -> _M:
        if len(request) > self._grpc_edge.max_request_bytes:
            raise RequestTooLarge(
                f"The request has {len(request)} bytes; at most {self._grpc_edge.max_request_bytes} bytes are accepted."
            )
        try:
            return kind.FromString(request)
        except DecodeError:
            raise InvalidRequest(
                f"The request is not a valid {kind.DESCRIPTOR.full_name} message.", code="invalid_message"
            ) from None


def _model(card: ModelCard) -> models_pb2.Model:
    return models_pb2.Model(id=card.id, created=card.created, owned_by=card.owned_by, max_model_len=card.max_model_len)
