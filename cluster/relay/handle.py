"""The relay over Ray Serve's streaming handle.

The engine replica coalesces (first frame at once, then whatever has piled up), so that one item crosses the wire for as many tokens
as the consumer was behind. Nothing is buffered here: an item is read when the edge asks for one, HTTP/2 flow control holds the
replica back when it does not, and the replica stops pulling from its engine at ``relay.max_buffered_bytes``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
from ray.serve.exceptions import RequestCancelledError
from ray.serve.handle import DeploymentHandle

from cluster.engine.contract import EngineRequest, Frame
from cluster.relay import serve_call
from cluster.relay.contract import Outlet, ReplicaLost
from cluster.routing.ticket import RouteTicket


class HandleStream:
    """One outstanding streaming call."""

    def __init__(self, handle: DeploymentHandle, request: EngineRequest, ticket: RouteTicket) -> None:
        self._request_id = request.request_id
        self._decoder = msgspec.msgpack.Decoder(Frame)
        self._response = serve_call.start(handle.remote, request, ticket=ticket)
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[Frame]:
        try:
            async for item in self._response:
                frame = self._decoder.decode(item)
                self._ended = frame.last
                yield frame
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError | RequestCancelledError) and task is not None and task.cancelling():
                # Our own cancellation, or our deadline. Taken for a lost replica, it would be retried.
                raise asyncio.CancelledError from error
            self._ended = True
            raise serve_call.translated(error, self._request_id) from error
        if not self._ended:
            self._ended = True
            raise ReplicaLost("the engine replica ended the stream without a last frame")

    def flow(self, outlet: Outlet) -> None:
        """Frames are pulled here, one by one."""

    async def cancel(self) -> None:
        if not self._ended:
            self._ended = True
            serve_call.cancel(self._response)


class HandleRelay:
    """Opens streams on the deployments of the cluster's models."""

    def __init__(self, handles: Mapping[str, DeploymentHandle]) -> None:
        """``handles``: one deployment handle for each model id."""
        # With the method named already: naming it makes a new handle each time.
        self._handles = {model: handle.options(stream=True, method_name="stream") for model, handle in handles.items()}

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> HandleStream:
        return HandleStream(self._handles[model], request, ticket)

    async def close(self) -> None:
        """Nothing is held but the calls themselves."""
