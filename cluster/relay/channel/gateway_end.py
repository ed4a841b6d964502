"""The gateway's end: listens for engine replicas and hands what they send to the streams that wait for it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from cluster.relay.channel.connection import Connection, EndReason, Traffic
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.handshake import ChannelKey, new_life, new_nonce
from cluster.relay.channel.inbox import Inbox
from cluster.relay.channel.messages import (
    Accepted,
    Body,
    Call,
    Calls,
    Cancel,
    Challenge,
    Credit,
    Declined,
    Delta,
    Fetch,
    Follow,
    FromReplica,
    GatewayAddress,
    Hello,
    Load,
    Refused,
    Resident,
    Step,
    Taken,
)
from cluster.relay.channel.waiting import WaitingBytes
from cluster.relay.contract import ReplicaLost
from cluster.relay.loads import ReplicaLoads
from cluster.relay.observer import ChannelObserver
from cluster.routing.residency.report import Report, Subscribe
from cluster.routing.residency.table import ResidencyTable

logger = logging.getLogger(__name__)

#: Connections that have proved nothing yet; one more, and the oldest has to go.
_MAX_STRANGERS = 64
#: Lives of replicas that are remembered to tell a first connection from a later one.
_MAX_LIVES = 1024
_BODY_CHUNK_BYTES = 256 << 10
#: Gateways of one node share a range of so many ports.
PORTS = 100
_REPORT_INTERVAL_S = 1.0
DEFAULT_MAX_WAITING_BYTES = 256 << 20


class PlacedCall(Protocol):
    """Who has sent a request over a channel and waits for the replica's word."""

    def taken(self, ongoing: int) -> None: ...

    def declined(self, ongoing: int) -> None: ...


@dataclass(slots=True, eq=False)
class Awaited:
    """A stream that this gateway waits for. ``channel``: where it comes from, once that is known.

    ``call``: of a request that went over the channel, until the replica has said whether it takes it.
    """

    stream: int
    inbox: Inbox
    body: bytes
    channel: GatewayChannel | None = None
    call: PlacedCall | None = None


class ChannelServer:
    """All channels of one gateway process, and the streams on them. Its life ends with :meth:`close`.

    ``residency`` is told what replicas tell of their prefix caches; without it they aren't asked. ``loads`` is told of their load.
    ``max_waiting_bytes``: of all streams together, for clients that don't read.
    """

    def __init__(
        self,
        key: ChannelKey,
        max_message_bytes: int,
        peer_timeout_s: float,
        observer: ChannelObserver,
        residency: ResidencyTable | None = None,
        loads: ReplicaLoads | None = None,
        max_waiting_bytes: int = DEFAULT_MAX_WAITING_BYTES,
    ) -> None:
        self.key = key
        self.loads = loads if loads is not None else ReplicaLoads()
        self.max_message_bytes = max_message_bytes
        self.peer_timeout_s = peer_timeout_s
        self.observer = observer
        self.residency = residency
        self.traffic = Traffic()
        self.waiting = WaitingBytes(max_waiting_bytes)
        self._reported = Traffic()
        self._reported_gaps = 0
        self._reported_given_up = 0
        self.awaited: dict[int, Awaited] = {}
        self._life = new_life()
        self._ids = itertools.count(1)
        self._address: GatewayAddress | None = None
        self._server: asyncio.Server | None = None
        self._strangers: dict[GatewayChannel, None] = {}
        self._channels: dict[str, GatewayChannel] = {}
        self._met: dict[bytes, None] = {}
        self._reporter: asyncio.TimerHandle | None = None

    @property
    def address(self) -> GatewayAddress:
        """Where replicas find this gateway; known after :meth:`start`."""
        assert self._address is not None, "the server was started"
        return self._address

    async def start(self, host: str, first_port: int = 0) -> None:
        """Listen on ``host``: on the first free one of ``PORTS`` ports, or with 0 on any. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await self._listen(host, first_port)
        port = self._server.sockets[0].getsockname()[1]
        self._address = GatewayAddress(host, port, self._life)
        self._reporter = loop.call_later(_REPORT_INTERVAL_S, self._report)

    async def _listen(self, host: str, first_port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if first_port == 0:
            return await loop.create_server(lambda: GatewayChannel(self), host, 0)
        for port in range(first_port, first_port + PORTS):
            try:
                return await loop.create_server(lambda: GatewayChannel(self), host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, f"no port from {first_port} to {first_port + PORTS - 1} of {host} is free")

    async def close(self) -> None:
        """Close every channel; their streams are lost. Idempotent."""
        if self._server is not None:
            self._server.close()
        if self._reporter is not None:
            self._reporter.cancel()
        for channel in [*self._channels.values(), *self._strangers]:
            channel.end("closed", "the gateway is closing")
        for awaited in self.awaited.values():
            awaited.inbox.fail(ReplicaLost("the gateway is closing"))

    # --- streams ----------------------------------------------------------------------------------------------------------

    def expect(self, window_bytes: int, body: bytes, owner: str) -> Awaited:
        """A new stream. ``body`` is what its replica may fetch; what waits of the answer is on ``owner``'s account."""
        stream = next(self._ids)

        def grant(size_bytes: int) -> None:
            if awaited.channel is not None:
                awaited.channel.send(Credit(stream, size_bytes))

        def given_up() -> None:
            logger.warning("stream %d was given up: too much waits for clients that do not read", stream)
            self._disown(awaited)

        awaited = self.awaited[stream] = Awaited(stream, Inbox(window_bytes, grant, self.waiting, owner, given_up), body)
        return awaited

    def accepted(self, awaited: Awaited, accepted: Accepted) -> None:
        """The handle call says which replica answers. The stream is lost when its frames come from another, or can't come."""
        channel = self._channels.get(accepted.replica_id)
        if channel is None or channel.replica_life != accepted.replica_life:
            awaited.inbox.fail(ReplicaLost("the channel of the replica has ended"))
        elif awaited.channel not in (None, channel):
            awaited.inbox.fail(ReplicaLost("the call went on to another replica"))
        else:
            awaited.channel = channel
            awaited.inbox.accept()

    def channel_for_calls(self, replica_id: str) -> GatewayChannel | None:
        """The channel of a replica that takes requests over it, if there is one."""
        channel = self._channels.get(replica_id)
        return channel if channel is not None and channel.takes_calls else None

    def place(self, awaited: Awaited, channel: GatewayChannel, call: Call, placed: PlacedCall) -> None:
        """Send the request of ``awaited`` over ``channel``; ``placed`` gets to know whether it is taken."""
        awaited.channel, awaited.call = channel, placed
        channel.send(call)

    def forget(self, awaited: Awaited) -> None:
        """Nobody waits for the stream any more; what is left of its work is aborted. Idempotent."""
        awaited.inbox.drop()
        self._disown(awaited)

    def _disown(self, awaited: Awaited) -> None:
        """Take nothing more for the stream, and have its generation aborted if it goes on."""
        if self.awaited.pop(awaited.stream, None) is not None and awaited.channel is not None and not awaited.inbox.ended:
            awaited.channel.send(Cancel(awaited.stream))

    # --- called by channels -----------------------------------------------------------------------------------------------

    def arrived(self, channel: GatewayChannel) -> None:
        self._strangers[channel] = None
        if len(self._strangers) > _MAX_STRANGERS:
            next(iter(self._strangers)).end("refused", "too many connections without a proof")

    def admitted(self, channel: GatewayChannel) -> None:
        """``channel`` has proved who it is. An older one of the same replica is over, whether it knows it or not."""
        self._strangers.pop(channel, None)
        former = self._channels.get(channel.replica_id)
        if former is not None:
            former.end("superseded", "the replica has connected anew")
        self._channels[channel.replica_id] = channel
        again = channel.replica_life in self._met
        self._met[channel.replica_life] = None
        if len(self._met) > _MAX_LIVES:
            del self._met[next(iter(self._met))]
        self.observer.channel_connected(again=again)
        self.observer.channels_open(len(self._channels))

    def gone(self, channel: GatewayChannel, reason: EndReason, detail: str) -> None:
        """``channel`` has ended: so have its streams."""
        self._strangers.pop(channel, None)
        if not channel.established:
            self.observer.channel_refused()
            logger.warning("a connection to the relay's channel from %s was refused: %s", channel.peer, detail)
            return
        if self._channels.get(channel.replica_id) is channel:
            del self._channels[channel.replica_id]
            if self.residency is not None:
                self.residency.forget(channel.replica_id)
        self.observer.channel_ended(reason)
        self.observer.channels_open(len(self._channels))
        log = logger.info if reason == "closed" else logger.warning
        log("the channel of replica %s has ended (%s: %s)", channel.replica_id, reason, detail)
        for awaited in self.awaited.values():
            if awaited.channel is channel:
                awaited.inbox.fail(ReplicaLost(f"the replica's channel has ended ({reason}: {detail})"))

    def _report(self) -> None:
        traffic, reported = self.traffic, self._reported
        self.observer.channel_traffic(
            received_bytes=traffic.received_bytes - reported.received_bytes,
            sent_bytes=traffic.sent_bytes - reported.sent_bytes,
            messages=traffic.received_messages - reported.received_messages,
            frames=traffic.received_frames - reported.received_frames,
        )
        self._reported = replace(traffic)
        waiting = self.waiting
        self.observer.waiting(size_bytes=waiting.size_bytes, given_up=waiting.given_up - self._reported_given_up)
        self._reported_given_up = waiting.given_up
        if (table := self.residency) is not None:
            self.observer.residency(replicas=table.replicas, hashes=len(table), gaps=table.gaps - self._reported_gaps)
            self._reported_gaps = table.gaps
        self._reporter = asyncio.get_running_loop().call_later(_REPORT_INTERVAL_S, self._report)


class GatewayChannel(Connection[FromReplica]):
    """The channel of one replica's life, as its gateway sees it."""

    def __init__(self, server: ChannelServer) -> None:
        super().__init__(msgspec.msgpack.Decoder(FromReplica), server.max_message_bytes, server.peer_timeout_s, server.traffic)
        self._server = server
        self._challenge = new_nonce()
        self._bodies: set[asyncio.Task[None]] = set()
        self.replica_id = ""
        self.replica_life = b""
        self.takes_calls = False
        self.peer: object = None

    def _on_connected(self) -> None:
        assert self._transport is not None
        self.peer = self._transport.get_extra_info("peername")
        self._server.arrived(self)
        self.send(Challenge(self._challenge))

    def _on_message(self, message: FromReplica) -> None:
        if type(message) is Step:
            if not self.established:
                raise ProtocolViolation("frames before any proof")
            self._traffic.received_frames += len(message.deltas)
            for delta in message.deltas:
                self._deliver(delta)
        elif not self.established:
            if type(message) is not Hello:
                raise ProtocolViolation("something before any proof")
            self._admit(message)
        elif type(message) is Taken or type(message) is Declined:
            self._decided(message)
        elif type(message) is Load:
            self._server.loads.told(self.replica_id, message.report)
        elif type(message) is Fetch:
            self._send_body(message.stream)
        elif type(message) is Calls:
            self.takes_calls = True
        elif type(message) is Resident:
            self._learn(message.report)
        elif type(message) is Hello:
            raise ProtocolViolation("a second proof")

    def _admit(self, hello: Hello) -> None:
        if not self._server.key.admits(self._challenge, hello):
            raise ProtocolViolation("a wrong proof")
        if hello.gateway_life != self._server.address.life:
            self.send(Refused("another life of this gateway is meant"))
            raise ProtocolViolation("a replica that means an earlier life of this gateway")
        self.replica_id, self.replica_life = hello.replica_id, hello.replica_life
        self._establish()
        self._server.admitted(self)
        self.send(self._server.key.welcome(self._challenge, hello))
        if self._server.residency is not None:
            self.send(Follow(Subscribe()))

    def _learn(self, report: Report) -> None:
        if self._server.residency is None:
            raise ProtocolViolation("news that nobody asked for")
        try:
            missing = self._server.residency.apply(self.replica_id, report)
        except ValueError as error:
            raise ProtocolViolation(str(error)) from None
        if missing is not None:
            self.send(Follow(missing))

    def _decided(self, message: Taken | Declined) -> None:
        awaited = self._mine(message.stream)
        if awaited is None or awaited.call is None:
            return  # given up meanwhile
        call, awaited.call = awaited.call, None
        if type(message) is Taken:
            call.taken(message.ongoing)
            awaited.inbox.accept()
        else:
            awaited.channel = None
            call.declined(message.ongoing)

    def _deliver(self, delta: Delta) -> None:
        awaited = self._mine(delta.stream)
        if awaited is None:
            if delta.end is None:
                self.send(Cancel(delta.stream))
            return
        awaited.inbox.push(delta.payloads)
        if delta.end is not None:
            if isinstance(delta.end, str):
                awaited.inbox.fail(ReplicaLost(delta.end))
            else:
                awaited.inbox.end(delta.end)

    def _mine(self, stream: int) -> Awaited | None:
        """The stream, if it is awaited and comes from nowhere else."""
        awaited = self._server.awaited.get(stream)
        if awaited is None:
            return None
        if awaited.channel is None:
            awaited.channel = self
        return awaited if awaited.channel is self else None

    def _send_body(self, stream: int) -> None:
        awaited = self._mine(stream)
        if awaited is None:
            self.send(Cancel(stream))
            return
        task = asyncio.create_task(self._write_body(awaited))
        self._bodies.add(task)
        task.add_done_callback(self._bodies.discard)

    async def _write_body(self, awaited: Awaited) -> None:
        body, size = awaited.body, len(awaited.body)
        for start in range(0, size, _BODY_CHUNK_BYTES):
            if self.over or awaited.stream not in self._server.awaited:
                return
            end = start + _BODY_CHUNK_BYTES
            self.send(Body(awaited.stream, body[start:end], last=end >= size))
            # Other streams' messages go in between.
            await (self.writable() if self.paused else asyncio.sleep(0))

    def _on_end(self, reason: EndReason, detail: str) -> None:
        self._server.gone(self, reason, detail)
