"""The methods of the gRPC services, as Ray Serve calls them on an ingress deployment: by bare name, with Serve's context."""

# ruff: noqa: N802  (gRPC names its methods)

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.edges.grpc.call import Context, RpcCall
from cluster.edges.grpc.eval_runs import EvalRunMethods
from cluster.edges.grpc.evals import EvalMethods
from cluster.edges.grpc.fine_tuning import FineTuningMethods
from cluster.edges.grpc.generated.ossature.realtime.v1 import realtime_pb2
from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, models_pb2
from cluster.edges.grpc.health import Health
from cluster.edges.grpc.methods import OFF_LOOP_BYTES, WATCHES, Authenticate, EdgeParts, Kept
from cluster.edges.grpc.patience import ReaderPatience
from cluster.edges.grpc.realtime.converse import converse, first_arrived
from cluster.edges.grpc.stored_completions import StoredCompletionMethods
from cluster.edges.grpc.translate import requests, responses
from cluster.edges.realtime.sessions import Sessions
from cluster.edges.refusals import OnRefusal, uncounted
from cluster.errors import MethodNotAllowed, OssatureError
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits
from cluster.inference.service import Inference, ModelCard
from cluster.telemetry.tracing.span import UNTRACED, Tracer

_M = TypeVar("_M", bound=Message)


class GrpcEdge(StoredCompletionMethods, EvalMethods, EvalRunMethods, FineTuningMethods):
    """Everything that the gRPC services do. See :class:`~cluster.edges.grpc.methods.Methods`."""

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
        realtime: Sessions | None = None,
        kept: Kept | None = None,
        max_watches: int = WATCHES,
        watch_s: float = 60.0,
        tracer: Tracer = UNTRACED,
    ) -> None:
        """``realtime``: the gateway's realtime sessions; ``None`` where there are none. ``kept``: as for them.

        ``max_watches``: of one organization at a time. ``watch_s``: longest life of one, in seconds; clients then watch again, as
        an endless one would hold a draining replica until its shutdown timeout.
        """
        self._grpc_edge = EdgeParts(
            inference=inference,
            authenticate=authenticate,
            health=Health(readiness),
            max_request_bytes=max_request_bytes,
            write_timeout_s=write_timeout_s,
            limits=limits,
            on_refusal=on_refusal,
            realtime=realtime,
            kept=kept,
            watches=ConcurrencyLimit(max_watches, "watches"),
            watch_s=watch_s,
            tracer=tracer,
        )

    # --- ossature.v1.ChatService ------------------------------------------------------------------------------------------

    async def CreateChatCompletion(self, request: bytes, grpc_context: Context) -> chat_pb2.CreateChatCompletionResponse:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc, "ossature.v1.ChatService/CreateChatCompletion")
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
            principal = await self._principal(rpc, "ossature.v1.ChatService/StreamChatCompletion")
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
            principal = await self._principal(rpc, "ossature.v1.ModelService/ListModels")
            self._decoded(request, models_pb2.ListModelsRequest)
            cards = await self._grpc_edge.inference.list_models(principal)
            return models_pb2.ListModelsResponse(models=[_model(card) for card in cards])
        return models_pb2.ListModelsResponse()

    async def GetModel(self, request: bytes, grpc_context: Context) -> models_pb2.GetModelResponse:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            principal = await self._principal(rpc, "ossature.v1.ModelService/GetModel")
            wanted = self._decoded(request, models_pb2.GetModelRequest)
            card = await self._grpc_edge.inference.find_model(principal, wanted.model)
            return models_pb2.GetModelResponse(model=_model(card))
        return models_pb2.GetModelResponse()

    # --- ossature.realtime.v1.RealtimeService -----------------------------------------------------------------------------

    async def Converse(
        self, requests: AsyncIterator[bytes], grpc_context: Context
    ) -> AsyncGenerator[realtime_pb2.ConverseResponse, None]:
        rpc = RpcCall(grpc_context, self._grpc_edge.on_refusal)
        with rpc.reported():
            try:
                # Each answer of a session is traced by itself.
                principal = await self._principal(rpc, None)
                sessions = self._grpc_edge.realtime
                if sessions is None:
                    raise MethodNotAllowed("This server has no realtime sessions.", code="realtime_disabled")
            except OssatureError:
                await first_arrived(requests)
                raise
            async with aclosing(converse(sessions, principal, requests, rpc.request_id)) as responses:
                async for response in responses:
                    yield response
        yield realtime_pb2.ConverseResponse()  # carries the status, see handlers.py

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

    async def _chat_request(
        self, request: bytes, kind: type[_M], body: Callable[[_M, RequestLimits], Mapping[str, object]]
    ) -> GenerationRequest:
        limits = self._grpc_edge.limits

        def parsed() -> GenerationRequest:
            return ChatCompletionRequest.parse(body(self._decoded(request, kind), limits), limits=limits)

        return await asyncio.to_thread(parsed) if len(request) >= OFF_LOOP_BYTES else parsed()


def _model(card: ModelCard) -> models_pb2.Model:
    return models_pb2.Model(id=card.id, created=card.created, owned_by=card.owned_by, max_model_len=card.max_model_len)
