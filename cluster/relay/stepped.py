"""The relay whose tokens take a channel of their own, one message per engine step and gateway.

The handle call to the chosen replica stays outstanding for the request's life: to Ray Serve it is an ongoing request. The replica
dials back to this gateway and sends, at the end of each event-loop turn, what is new for all of this gateway's streams in one
message. See ``channel/messages.py`` for what is said there and ``channel/inbox.py`` for the life of a stream.

The call streams one item, which says who answers. A unary call would not do: Serve learns only with its answer that it was
accepted, and sends it to a second replica by itself when the first one dies, whatever that had streamed already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
from ray.serve.handle import DeploymentHandle

from cluster.config.schema import RelaySettings
from cluster.engine.contract import EngineRequest, Frame
from cluster.relay import serve_call
from cluster.relay.channel.gateway_end import ChannelServer
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.messages import Accepted, Open
from cluster.relay.contract import ReplicaLost
from cluster.relay.loads import ReplicaLoads
from cluster.relay.observer import ChannelObserver
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.ticket import RouteTicket

#: Larger bodies take the channel: a handle call is serialized twice and may have 4 MiB.
INLINE_BODY_BYTES = 64 << 10
#: How long the channel may be behind the end of the call, which takes another way.
_END_GRACE_S = 5.0

_encoder = msgspec.msgpack.Encoder()
_accepted_decoder = msgspec.msgpack.Decoder(Accepted)


class SteppedStream:
    """One outstanding call and the stream that belongs to it."""

    def __init__(
        self, server: ChannelServer, handle: DeploymentHandle, request: EngineRequest, ticket: RouteTicket, window_bytes: int
    ) -> None:
        self._request_id = request.request_id
        self._server = server
        large = len(request.body) > INLINE_BODY_BYTES
        self._awaited = server.expect(window_bytes, request.body if large else b"")
        call = Open(
            gateway=server.address,
            stream=self._awaited.stream,
            window_bytes=window_bytes,
            request=msgspec.structs.replace(request, body=b"") if large else request,
            body_bytes=len(request.body) if large else 0,
        )
        self._response = serve_call.start(handle.remote, _encoder.encode(call), ticket=ticket)
        self._call = asyncio.create_task(self._follow())
        self._grace: asyncio.TimerHandle | None = None
        self._done = False

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        if self._done:
            raise StopAsyncIteration
        try:
            frame = await self._awaited.inbox.take()
        except asyncio.CancelledError:
            raise
        except Exception:
            await self.cancel()
            raise
        if frame.last:
            self._done = True
            self._release()
        return frame

    async def cancel(self) -> None:
        if self._done:
            return
        self._done = True
        self._release()
        serve_call.cancel(self._response)
        self._call.cancel()

    def _release(self) -> None:
        self._server.forget(self._awaited)
        if self._grace is not None:
            self._grace.cancel()

    async def _follow(self) -> None:
        """The call's way: accepted by a replica, outstanding, over."""
        inbox = self._awaited.inbox
        accepted = False
        try:
            async for item in self._response:
                self._server.accepted(self._awaited, _accepted_decoder.decode(item))
                accepted = True
            failure: Exception = ReplicaLost("the engine replica ended the call without a last frame")
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the reader of the stream is told
            if self._done:
                return
            failure = serve_call.translated(error, self._request_id)
        if not accepted:
            inbox.fail(failure)
        elif not inbox.over:
            # What the replica has sent before may be on its way still; if the channel is dead it says so itself, and at once.
            self._grace = asyncio.get_running_loop().call_later(_END_GRACE_S, inbox.fail, failure)


class SteppedRelay:
    """Opens streams on the deployments of the cluster's models. To be started before the first one."""

    def __init__(
        self,
        handles: Mapping[str, DeploymentHandle],
        settings: RelaySettings,
        key: ChannelKey,
        observer: ChannelObserver,
        residency: ResidencyTable | None = None,
        loads: ReplicaLoads | None = None,
    ) -> None:
        """``handles``: one deployment handle for each model id. ``residency``, ``loads``: see :class:`ChannelServer`."""
        # With the method named already: naming it makes a new handle each time.
        self._handles = {model: handle.options(stream=True, method_name="open") for model, handle in handles.items()}
        self._window_bytes = settings.max_buffered_bytes
        self._server = ChannelServer(key, settings.max_request_bytes, settings.peer_timeout_s, observer, residency, loads)

    async def start(self, host: str) -> None:
        """Listen for replicas on ``host``, an address of this node that all engine nodes reach. Raises ``OSError``."""
        await self._server.start(host)

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> SteppedStream:
        return SteppedStream(self._server, self._handles[model], request, ticket, self._window_bytes)

    async def close(self) -> None:
        """Close every channel; their streams are lost. Idempotent."""
        await self._server.close()
