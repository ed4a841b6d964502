"""A request that a handle of Ray Serve carries to its replica, while the answer takes the channel."""

from __future__ import annotations

import asyncio

import msgspec
from ray.serve.handle import DeploymentHandle

from cluster.relay import serve_call
from cluster.relay.channel.gateway_end import Awaited, ChannelServer
from cluster.relay.channel.messages import Accepted, Open
from cluster.relay.contract import ReplicaLost
from cluster.routing.ticket import RouteTicket

#: How long the channel may be behind the end of the call, which takes another way.
_END_GRACE_S = 5.0

_encoder = msgspec.msgpack.Encoder()
_accepted_decoder = msgspec.msgpack.Decoder(Accepted)


class HandleCall:
    """One outstanding call.

    It streams one item, which says who answers. A unary call would not do: Serve learns only with its answer that it was accepted,
    and sends it to a second replica by itself when the first one dies, whatever that had streamed already.
    """

    def __init__(
        self, server: ChannelServer, awaited: Awaited, handle: DeploymentHandle, opening: Open, ticket: RouteTicket
    ) -> None:
        self._server = server
        self._awaited = awaited
        self._request_id = opening.request.request_id
        self._response = serve_call.start(handle.remote, _encoder.encode(opening), ticket=ticket)
        self._following = asyncio.create_task(self._follow())
        self._grace: asyncio.TimerHandle | None = None
        self._done = False

    @property
    def over(self) -> bool:
        """Whether the call itself has ended, too."""
        return self._following.done()

    def done(self) -> None:
        """The stream has its last frame; the call ends by itself."""
        self._done = True
        if self._grace is not None:
            self._grace.cancel()

    def cancel(self) -> None:
        """Nobody wants the rest."""
        self.done()
        serve_call.cancel(self._response)
        self._following.cancel()

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
