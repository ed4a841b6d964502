"""The replica's end: dials gateways back and sends each of them one message per event-loop turn with all that is new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from cluster.relay.channel.connection import HANDSHAKE_TIMEOUT_S, Connection, EndReason, Traffic
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.handshake import NONCE_BYTES, ChannelKey, new_life, new_nonce
from cluster.relay.channel.messages import (
    Body,
    Call,
    Calls,
    Cancel,
    Challenge,
    Credit,
    Delta,
    Fetch,
    Follow,
    FromGateway,
    GatewayAddress,
    Hello,
    Refused,
    Resident,
    Step,
    Welcome,
)
from cluster.relay.channel.outbox import FrameTooLarge, Outbox
from cluster.routing.residency.report import Report, Subscribe

logger = logging.getLogger(__name__)

#: More than this in one turn goes out as several messages.
_MAX_STEP_BYTES = 1 << 20


class ChannelUnavailable(Exception):
    """The gateway that asked can't be reached, does not prove what it is, or is gone."""


class CallTaker(Protocol):
    """Answers requests that come over channels (``channel/calls.py``)."""

    def take(self, channel: ReplicaChannel, call: Call) -> None:
        """Begin to answer. Raises ``ProtocolViolation``."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """Who dials: the replica's id and a random name of this life of its process."""

    replica_id: str
    life: bytes


class ReplicaChannel(Connection[FromGateway]):
    """The channel to one gateway's life, as the replica sees it."""

    def __init__(
        self,
        dialer: Dialer,
        gateway: GatewayAddress,
        on_end: Callable[[ReplicaChannel], None],
    ) -> None:
        super().__init__(msgspec.msgpack.Decoder(FromGateway), dialer.max_message_bytes, dialer.peer_timeout_s, dialer.traffic)
        self.gateway = gateway
        self.ready: asyncio.Future[None] = self._loop.create_future()
        #: What the gateway has been told of this replica's prefix cache; ``None`` while it doesn't want to know.
        self.follower: Subscribe | None = None
        self._dialer = dialer
        self._on_end_of = on_end
        self._challenge = b""
        self._hello: Hello | None = None
        self._outboxes: dict[int, Outbox] = {}
        self._pending: list[Delta] = []
        self._pending_bytes = 0
        self._flushing = False
        # Payloads are not all of a message: the other half is for what stands around them.
        self._max_frame_bytes = dialer.max_message_bytes // 2
        self._max_step_bytes = min(_MAX_STEP_BYTES, self._max_frame_bytes)

    # --- streams ----------------------------------------------------------------------------------------------------------

    def open(self, stream: int, window_bytes: int, body_bytes: int, abort: Callable[[], object]) -> Outbox:
        """A stream of this gateway. Raises ``ChannelUnavailable`` when the channel has ended meanwhile."""
        if self.over:
            raise ChannelUnavailable("the channel to the gateway has ended")
        outbox = self._outboxes[stream] = Outbox(self, stream, window_bytes, body_bytes, abort)
        return outbox

    def close(self, outbox: Outbox) -> None:
        """Nothing more is sent on this stream."""
        if self._outboxes.get(outbox.stream) is outbox:
            del self._outboxes[outbox.stream]

    def fetch(self, stream: int) -> None:
        """Ask for the body of a stream's request."""
        self.send(Fetch(stream))

    def tell(self, report: Report) -> None:
        """Tell the gateway something new of this replica's prefix cache."""
        self.follower = Subscribe(report.epoch, report.number)
        self.send(Resident(report))

    def push(self, delta: Delta, size_bytes: int) -> None:
        """Send ``delta`` at the end of this turn of the loop, with whatever else comes until then. Raises ``FrameTooLarge``."""
        if size_bytes > self._max_frame_bytes:
            raise FrameTooLarge(f"a frame of {size_bytes} bytes; relay.max_request_bytes allows {self._max_frame_bytes}")
        if self._pending_bytes + size_bytes > self._max_step_bytes:
            self._flush()
        self._pending.append(delta)
        self._pending_bytes += size_bytes
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            deltas, self._pending, self._pending_bytes = self._pending, [], 0
            self.send(Step(deltas))

    # --- messages ---------------------------------------------------------------------------------------------------------

    def _on_connected(self) -> None:
        """The gateway speaks first."""

    def _on_message(self, message: FromGateway) -> None:
        if not self.established:
            self._shake_hands(message)
            return
        match message:
            case Credit(stream, size_bytes):
                if outbox := self._outboxes.get(stream):
                    outbox.credit(size_bytes)
            case Cancel(stream):
                if outbox := self._outboxes.get(stream):
                    outbox.cancel()
            case Body(stream, data, last):
                if outbox := self._outboxes.get(stream):
                    outbox.receive(data, last=last)
            case Call():
                if self._dialer.calls is None or message.stream in self._outboxes:
                    raise ProtocolViolation("a request that can't be taken")
                self._dialer.calls.take(self, message)
            case Follow(at):
                self.follower = at
            case Challenge() | Welcome() | Refused():
                raise ProtocolViolation("a second handshake")

    def _shake_hands(self, message: FromGateway) -> None:
        identity, key = self._dialer.identity, self._dialer.key
        match message:
            case Challenge(nonce) if self._hello is None and len(nonce) == NONCE_BYTES:
                self._challenge = nonce
                self._hello = key.hello(nonce, self.gateway.life, identity.replica_id, identity.life, new_nonce())
                self.send(self._hello)
            case Welcome() if self._hello is not None and key.trusts(self._challenge, self._hello, message):
                self._establish()
                if self._dialer.calls is not None:
                    self.send(Calls())
                self.ready.set_result(None)
            case Refused(reason):
                raise ProtocolViolation(f"refused by the gateway: {reason}")
            case _:
                raise ProtocolViolation("no proof of the gateway")

    def _on_end(self, reason: EndReason, detail: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ChannelUnavailable(f"no channel to the gateway ({reason}: {detail})"))
            self.ready.exception()  # whoever dialled may have been cancelled
        else:
            log = logger.info if reason == "closed" else logger.warning
            log("the channel to gateway %s:%d has ended (%s: %s)", self.gateway.host, self.gateway.port, reason, detail)
        outboxes, self._outboxes = self._outboxes, {}
        for outbox in outboxes.values():
            outbox.cancel()
        self._on_end_of(self)


class Dialer:
    """All channels of one replica process: one for each gateway that has asked it for something and lives.

    ``calls``, if set, answers requests that come over them; it belongs to the dialer from then on.
    """

    def __init__(self, replica_id: str, key: ChannelKey, max_message_bytes: int, peer_timeout_s: float) -> None:
        self.identity = ReplicaIdentity(replica_id, new_life())
        self.key = key
        self.max_message_bytes = max_message_bytes
        self.peer_timeout_s = peer_timeout_s
        self.traffic = Traffic()
        self.calls: CallTaker | None = None
        self._channels: dict[bytes, asyncio.Task[ReplicaChannel]] = {}

    @property
    def open_channels(self) -> int:
        return len(self._channels)

    def channels(self) -> list[ReplicaChannel]:
        """Those that are up."""
        done = [task for task in self._channels.values() if task.done() and not task.cancelled() and task.exception() is None]
        return [task.result() for task in done]

    async def channel(self, gateway: GatewayAddress) -> ReplicaChannel:
        """The channel to this life of a gateway, made if there is none. Raises ``ChannelUnavailable``."""
        task = self._channels.get(gateway.life)
        if task is None:
            task = self._channels[gateway.life] = asyncio.create_task(self._dial(gateway))
            task.add_done_callback(lambda done: self._dialled(gateway.life, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Close every channel. Idempotent."""
        tasks, self._channels = self._channels, {}
        for task in tasks.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                task.result().end("closed", "the replica is closing")
        if self.calls is not None:
            await self.calls.close()

    async def _dial(self, gateway: GatewayAddress) -> ReplicaChannel:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                _, channel = await loop.create_connection(
                    lambda: ReplicaChannel(self, gateway, self._ended), gateway.host, gateway.port
                )
                try:
                    await channel.ready
                except asyncio.CancelledError:
                    channel.end("closed", "nobody waits for it any more")
                    raise
        except (OSError, TimeoutError) as error:
            raise ChannelUnavailable(f"gateway {gateway.host}:{gateway.port} can't be reached: {error}") from None
        return channel

    def _dialled(self, life: bytes, task: asyncio.Task[ReplicaChannel]) -> None:
        """Forget an attempt that has failed, or succeeded with a channel that is over by now."""
        failed = task.cancelled() or task.exception() is not None or task.result().over
        if failed and self._channels.get(life) is task:
            del self._channels[life]

    def _ended(self, channel: ReplicaChannel) -> None:
        task = self._channels.get(channel.gateway.life)
        if task is not None and task.done() and not task.cancelled() and task.exception() is None and task.result() is channel:
            del self._channels[channel.gateway.life]
