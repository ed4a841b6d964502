"""One end of a channel's TCP connection: messages in and out, a peer that falls silent, and the end of it all, once."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast

import msgspec

from cluster.relay.channel.framing import ProtocolViolation, Splitter, pack
from cluster.relay.channel.messages import Message, Ping

#: Longest message of a peer that has proved nothing yet.
HANDSHAKE_MAX_BYTES = 2048
HANDSHAKE_TIMEOUT_S = 5.0
#: Looks at the peer within one time-out. Counted in looks and not by the clock: a loop that was held up itself gets to read first.
_LOOKS = 8
#: Bytes that may wait for the socket before writers are told to wait.
_HIGH_WATER_BYTES = 1 << 20

#: Why a connection has ended. ``closed``: by one of the ends, orderly or by dying; ``refused``: before it was established.
EndReason = Literal["closed", "silent", "protocol", "refused", "superseded"]


@dataclass(slots=True)
class Traffic:
    """Counts over any number of connections. ``received_frames``: pieces of streams, several of which can share a message."""

    received_bytes: int = 0
    sent_bytes: int = 0
    received_messages: int = 0
    received_frames: int = 0


ReceivedT = TypeVar("ReceivedT", bound=Message)


class Connection(asyncio.Protocol, Generic[ReceivedT]):
    """Base of both ends. Everything runs on the event loop that made the connection."""

    def __init__(
        self, decoder: msgspec.msgpack.Decoder[ReceivedT], max_message_bytes: int, peer_timeout_s: float, traffic: Traffic
    ) -> None:
        self._decoder = decoder
        self._traffic = traffic
        self._encoder = msgspec.msgpack.Encoder()
        self._splitter = Splitter(HANDSHAKE_MAX_BYTES)
        self._max_message_bytes = max_message_bytes
        self._look_s = peer_timeout_s / _LOOKS
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = True
        self._said = False
        self._missed = 0
        self._writable: asyncio.Future[None] | None = None
        self.established = False
        self.over = False

    # --- for the two ends -------------------------------------------------------------------------------------------------

    @abstractmethod
    def _on_connected(self) -> None:
        """The connection is there; nothing was said yet."""

    @abstractmethod
    def _on_message(self, message: ReceivedT) -> None:
        """A message has come. Raises ``ProtocolViolation`` for one that may not come now."""

    @abstractmethod
    def _on_end(self, reason: EndReason, detail: str) -> None:
        """It is over, for good. Called once."""

    def _establish(self) -> None:
        """Both ends have proved who they are."""
        self.established = True
        self._splitter.max_bytes = self._max_message_bytes
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._look_s, self._look)

    # --- writing ----------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Write ``message``; nothing happens once the connection has ended."""
        if self.over or self._transport is None:
            return
        packed = pack(self._encoder, message)
        self._said = True
        self._traffic.sent_bytes += len(packed)
        self._transport.write(packed)

    @property
    def paused(self) -> bool:
        """Whether the socket takes nothing now: whoever has more should await :meth:`writable`."""
        return self._writable is not None

    async def writable(self) -> None:
        """Return when the socket takes bytes again, or the connection has ended."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def end(self, reason: EndReason, detail: str) -> None:
        """End the connection now, once. What was written before still goes out where the other end is to learn of it."""
        if self.over:
            return
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            if reason in ("refused", "closed"):
                self._transport.close()
            else:
                self._transport.abort()
        self._resume()
        self._on_end(reason, detail)

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._timer = self._loop.call_later(
            HANDSHAKE_TIMEOUT_S, self.end, "refused", f"no handshake within {HANDSHAKE_TIMEOUT_S:g} s"
        )
        self._on_connected()

    def data_received(self, data: bytes) -> None:
        if self.over:
            return
        self._heard = True
        self._traffic.received_bytes += len(data)
        try:
            for packed in self._splitter.feed(data):
                self._traffic.received_messages += 1
                self._on_message(self._decoder.decode(packed))
                if self.over:
                    return
        except (ProtocolViolation, msgspec.DecodeError) as error:
            self.end("protocol" if self.established else "refused", str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("closed", str(exc) if exc is not None else "the other end has closed it")

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        self._resume()

    def _resume(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None:
            writable.set_result(None)

    def _look(self) -> None:
        """Say something if nothing else was said, and see whether anything was heard."""
        self._missed = 0 if self._heard else self._missed + 1
        if self._missed >= _LOOKS:
            self.end("silent", f"nothing was heard for {self._missed * self._look_s:g} s")
            return
        if not self._said:
            self.send(Ping())
        self._heard = self._said = False
        self._timer = self._loop.call_later(self._look_s, self._look)
