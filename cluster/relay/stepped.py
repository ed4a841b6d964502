"""The relay whose tokens take a channel of their own, one message per engine step and gateway.

A replica dials back to the gateway that calls it and sends, at the end of each event-loop turn, what is new for all of this
gateway's streams in one message. See ``channel/messages.py`` for what is said there and ``channel/inbox.py`` for the life of a
stream. The first call to a replica goes by Ray Serve's handle (``handle_call.py``), later ones over the channel
(``channel_call.py``). Either way it is an ongoing request of the replica to Serve, for as long as it lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
from ray.serve.handle import DeploymentHandle

from cluster.config.settings.routing import RelaySettings
from cluster.engine.contract import EngineRequest, Frame
from cluster.relay import call_router
from cluster.relay.channel.gateway_end import ChannelServer
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.messages import Open
from cluster.relay.channel_call import ChannelCall, OutstandingCall
from cluster.relay.contract import Outlet
from cluster.relay.handle_call import HandleCall
from cluster.relay.loads import ReplicaLoads
from cluster.relay.observer import ChannelObserver
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.ticket import RouteTicket

#: Larger bodies are fetched over the channel in pieces: a handle call is serialized twice and may have 4 MiB, and on the channel
#: other streams' messages should not wait behind one body.
INLINE_BODY_BYTES = 64 << 10


class SteppedStream:
    """One stream on the channels of this gateway, and the call that its request was carried by."""

    def __init__(
        self,
        server: ChannelServer,
        handle: DeploymentHandle,
        router: call_router.CallRouter | None,
        request: EngineRequest,
        ticket: RouteTicket,
        window_bytes: int,
    ) -> None:
        """``router``: for calls over channels; without one the handle carries the call."""
        large = len(request.body) > INLINE_BODY_BYTES
        self._server = server
        self._awaited = awaited = server.expect(window_bytes, request.body if large else b"", request.org_tag)
        body_bytes = len(request.body) if large else 0
        carried = msgspec.structs.replace(request, body=b"") if large else request

        def by_handle() -> HandleCall:
            return HandleCall(
                server, awaited, handle, Open(server.address, awaited.stream, window_bytes, carried, body_bytes), ticket
            )

        self._call: OutstandingCall
        if router is None:
            self._call = by_handle()
        else:
            self._call = ChannelCall(server, awaited, carried, body_bytes, window_bytes, ticket, router, by_handle)
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
            self._server.forget(self._awaited)
            self._call.done()
        return frame

    def flow(self, outlet: Outlet) -> None:
        self._awaited.inbox.flow(outlet)

    async def cancel(self) -> None:
        if self._done:
            return
        self._done = True
        self._server.forget(self._awaited)
        self._call.cancel()


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
        self._deployments = {model: handle.deployment_name for model, handle in handles.items()}
        self._calls_over_channels = settings.calls == "channel"
        self._first_port = settings.first_port
        self._window_bytes = settings.max_buffered_bytes
        self._server = ChannelServer(
            key, settings.max_request_bytes, settings.peer_timeout_s, observer, residency, loads, settings.max_waiting_bytes
        )

    async def start(self, host: str) -> None:
        """Listen for replicas on ``host``, an address of this node that all engine nodes reach. Raises ``OSError``."""
        await self._server.start(host, self._first_port)

    def open(self, model: str, request: EngineRequest, ticket: RouteTicket) -> SteppedStream:
        # Through its module, which is the process's: Serve may have pickled by value the class that publishes there.
        router = call_router.PROCESS_ROUTERS.get(self._deployments[model]) if self._calls_over_channels else None
        return SteppedStream(self._server, self._handles[model], router, request, ticket, self._window_bytes)

    async def close(self) -> None:
        """Close every channel; their streams are lost. Idempotent."""
        await self._server.close()
