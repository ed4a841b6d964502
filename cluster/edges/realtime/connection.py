"""A WebSocket over plain ASGI: as a session's connection, and as something to refuse."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.types import Message, Receive, Scope, Send

from cluster.config.settings.realtime import RealtimeSettings
from cluster.edges.http.exchange import Header, retry_headers
from cluster.edges.http.promptness import within
from cluster.edges.realtime.idle import IdleTimeout
from cluster.errors import OssatureError
from cluster.realtime.driver.driver import ConnectionLost
from cluster.realtime.protocol.client_events import ClientEvent
from cluster.realtime.protocol.dialect import Dialect
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import ServerEvent
from cluster.realtime.session.inputs import EventInvalid

_GOING_AWAY = 1001
_MAX_REASON_BYTES = 123
_PARSE_IN_THREAD_BYTES = 256 << 10
_RESPONSE_EXTENSION = "websocket.http.response"


class WebSocketConnection:
    """Implements :class:`~cluster.realtime.driver.driver.Connection` once it is accepted."""

    def __init__(self, receive: Receive, send: Send, dialect: Dialect, settings: RealtimeSettings) -> None:
        self._receive = receive
        self._send = send
        self._dialect = dialect
        self._settings = settings
        self._idle = IdleTimeout(settings.idle_timeout_s)

    async def accept(self, subprotocol: str | None, headers: list[Header]) -> None:
        """Raises :class:`ConnectionLost`."""
        await self._transmit({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})

    async def receive(self) -> ClientEvent | EventInvalid:
        try:
            message = await self._idle.wait(self._receive())
        except TimeoutError:
            await self.close(_GOING_AWAY, "idle timeout")
            raise ConnectionLost from None
        if message["type"] != "websocket.receive":
            raise ConnectionLost
        text: str | None = message.get("text")
        frame: str | bytes = text if text is not None else message.get("bytes") or b""
        try:
            if len(frame) > self._settings.max_frame_bytes:
                limit = self._settings.max_frame_bytes
                raise EventRefused("event_too_large", f"The event is larger than the limit of {limit} bytes.")
            if len(frame) > _PARSE_IN_THREAD_BYTES:
                return await asyncio.to_thread(self._dialect.decode, frame)
            return self._dialect.decode(frame)
        except EventRefused as refused:
            return EventInvalid(refused)

    async def send(self, event: ServerEvent) -> None:
        for frame in self._dialect.encode(event):
            await self._transmit({"type": "websocket.send", "text": frame.decode()})

    async def close(self, code: int, reason: str) -> None:
        cut = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        try:
            await self._transmit({"type": "websocket.close", "code": code, "reason": cut})
        except ConnectionLost:
            return

    def stop(self) -> None:
        """Nothing more will be received."""
        self._idle.stop()

    async def _transmit(self, message: Message) -> None:
        try:
            await within(self._settings.write_timeout_s, self._send(message))
        except (OSError, TimeoutError, RuntimeError):
            # A server that knows the client to be gone says so with a RuntimeError.
            raise ConnectionLost from None


async def refuse(scope: Scope, send: Send, error: OssatureError, request_id: str) -> None:
    """Answer a handshake with an HTTP error in OpenAI's shape; a server that can't do that says 403."""
    if _RESPONSE_EXTENSION not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:_MAX_REASON_BYTES]})
        return
    body = msgspec.json.encode(error.body())
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *retry_headers(error),
    ]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
