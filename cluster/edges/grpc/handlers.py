"""The services as grpc handlers, for Ray Serve's servers and for plain grpc.aio ones.

Generated registration code would do for the methods alone. These handlers add what only the gRPC server's own process can:

- The client's deadline. Serve's context does not have it and grpc keeps ``grpc-timeout`` to itself, so it becomes metadata.
- The request id, made here and sent to the client as initial metadata before the first message of a stream exists.
- Raw requests: a message reaches the method undecoded, so that nothing is parsed for callers without a key, and a malformed one
  gets a proper status.
- The end of a stream. Serve's Python proxy takes a stream's status and trailing metadata only along with a message. So every
  stream ends with an empty one that carries them, and that is dropped here. No real message of a stream is empty.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias, cast

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from cluster.edges.grpc.call import REQUEST_ID_KEY, TIMEOUT_KEY, new_request_id

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata = list[tuple[str, str | bytes]]
UnaryMethod = Callable[[bytes, Any], Awaitable[bytes]]
StreamMethod = Callable[[Any, Any], AsyncGenerator[bytes, None]]
"""Its first argument: the request, or an iterator of them where the client streams, too."""


class ServerContext(Protocol):
    """What is needed of grpc.aio's context."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None: ...

    def time_remaining(self) -> float | None: ...

    async def send_initial_metadata(self, initial_metadata: Sequence[tuple[str, str | bytes]]) -> None: ...


class ServiceHandler(grpc.ServiceRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """The handlers of one service.

    Serve replaces the contents of ``_method_handlers`` by functions that lead to a replica (its servers read and set the attribute
    that grpc's own handlers have), so methods are wrapped only when they are called.
    """

    def __init__(self, service: ServiceDescriptor, servicer: object) -> None:
        self._service_name = service.full_name
        self._method_handlers: dict[str, Handler] = {}
        for method in service.methods:
            function = getattr(servicer, method.name)
            self._method_handlers[f"/{service.full_name}/{method.name}"] = _handler(method, function)

    def service_name(self) -> str:
        return self._service_name

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        handler = self._method_handlers.get(handler_call_details.method)
        if handler is None:
            return None
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(_announced_stream(cast(StreamMethod, handler.stream_stream)))
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(_announced_stream(cast(StreamMethod, handler.unary_stream)))
        return grpc.unary_unary_rpc_method_handler(_informed(cast(UnaryMethod, handler.unary_unary)))


def _handler(method: MethodDescriptor, function: Any) -> Handler:
    """Raises ``ValueError`` for a method that takes a stream and answers once: no service has one."""
    if method.client_streaming and not method.server_streaming:
        raise ValueError(f"{method.full_name} takes a stream and answers once")
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_serialized_stream(function))
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(_serialized_stream(function))
    return grpc.unary_unary_rpc_method_handler(_serialized(function))


class InformedContext:
    """A server's context whose metadata also tell the request id and the time that is left."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self.request_id = new_request_id()
        sent = context.invocation_metadata() or ()
        self._metadata: Metadata = [(key, value) for key, value in sent if key not in (REQUEST_ID_KEY, TIMEOUT_KEY)]
        self._metadata.append((REQUEST_ID_KEY, self.request_id))
        remaining_s = context.time_remaining()
        if remaining_s is not None:
            self._metadata.append((TIMEOUT_KEY, f"{remaining_s:.3f}"))

    def invocation_metadata(self) -> Metadata:
        return self._metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def _informed(method: UnaryMethod) -> UnaryMethod:
    async def call(request: bytes, context: ServerContext) -> bytes:
        return await method(request, InformedContext(context))

    return call


def _announced_stream(method: StreamMethod) -> StreamMethod:
    async def call(request: Any, context: ServerContext) -> AsyncGenerator[bytes, None]:
        informed = InformedContext(context)
        await context.send_initial_metadata(((REQUEST_ID_KEY, informed.request_id),))
        async with aclosing(method(request, informed)) as messages:
            async for message in messages:
                if message:
                    yield message

    return call


def _serialized(method: Callable[..., Awaitable[Any]]) -> UnaryMethod:
    async def call(request: bytes, context: Any) -> bytes:
        answer: bytes = (await method(request, grpc_context=context)).SerializeToString()
        return answer

    return call


def _serialized_stream(method: Callable[..., AsyncGenerator[Any, None]]) -> StreamMethod:
    async def call(request: Any, context: Any) -> AsyncGenerator[bytes, None]:
        async with aclosing(method(request, grpc_context=context)) as messages:
            async for message in messages:
                yield message.SerializeToString()

    return call
