"""What one stream may still send to its gateway, and the parts of its request that come from there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from cluster.engine.contract import Frame
from cluster.relay.channel.framing import ProtocolViolation
from cluster.relay.channel.messages import Delta


class FrameTooLarge(Exception):
    """A single frame that no message can hold. It ends its own stream alone."""


class Sender(Protocol):
    """The channel, as a stream on it needs it."""

    @property
    def paused(self) -> bool: ...

    async def writable(self) -> None: ...

    def push(self, delta: Delta, size_bytes: int) -> None:
        """Raises ``FrameTooLarge``."""
        ...


class Outbox:
    """One stream of a replica. ``abort`` is called when the gateway or the channel ends it."""

    __slots__ = ("_body", "_body_bytes", "_channel", "_credit_bytes", "_waiter", "abort", "ended", "stream")

    def __init__(self, channel: Sender, stream: int, window_bytes: int, body_bytes: int, abort: Callable[[], object]) -> None:
        self._channel = channel
        self.stream = stream
        self.abort = abort
        self.ended = False
        self._credit_bytes = window_bytes
        self._body = bytearray()
        self._body_bytes = body_bytes
        self._waiter: asyncio.Future[None] | None = None

    # --- the answer -------------------------------------------------------------------------------------------------------

    async def send(self, frame: Frame) -> None:
        """Hand ``frame`` to the channel; wait first while the client's window is used up or the socket takes nothing.

        Nothing happens once the stream has ended. Raises ``FrameTooLarge``.
        """
        while frame.payloads and self._credit_bytes <= 0:
            await self._wait()
        while self._channel.paused:
            await self._channel.writable()
        if self.ended:
            return
        size = sum(map(len, frame.payloads))
        self._credit_bytes -= size
        if not frame.last:
            self._channel.push(Delta(self.stream, frame.payloads), size)
            return
        end = Frame(usage=frame.usage, timing=frame.timing, fault=frame.fault)
        self._channel.push(Delta(self.stream, frame.payloads, end), size)
        self.ended = True

    def lose(self, reason: str) -> None:
        """There will be no last frame. Nothing happens after one."""
        if not self.ended:
            self.ended = True
            self._channel.push(Delta(self.stream, [], reason), 0)

    def cancel(self) -> None:
        """The gateway does not want the rest."""
        self.ended = True
        self.abort()

    def credit(self, size_bytes: int) -> None:
        """The client has read: so much more may be sent."""
        self._credit_bytes += size_bytes
        self._wake()

    # --- the request ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, last: bool) -> None:
        """A part of the request's body. Raises ``ProtocolViolation`` when the parts are not what was announced."""
        self._body += data
        if len(self._body) > self._body_bytes or (last and len(self._body) != self._body_bytes):
            raise ProtocolViolation(f"a request body that has not the {self._body_bytes} bytes that were announced")
        if last:
            self._wake()

    async def body(self) -> bytes:
        """The whole body, once it is here."""
        while len(self._body) < self._body_bytes:
            await self._wait()
        body, self._body = bytes(self._body), bytearray()
        return body

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
