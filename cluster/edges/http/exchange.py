"""One HTTP request and its answer, over plain ASGI: reading within bounds, answering in OpenAI's shape."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from http import HTTPStatus

import msgspec
from starlette.types import Message, Receive, Scope, Send

from cluster.edges.http.promptness import Begun, begun, within
from cluster.errors import OssatureError, RequestTimeout, RequestTooLarge, UnsupportedMediaType
from cluster.identity.principal import Principal
from cluster.telemetry.tracing.span import NO_SPAN, Span

Header = tuple[bytes, bytes]

_API_VERSION = b"2020-10-01"
_DRAIN_BYTES = 128 << 20
_DRAIN_S = 2.0
"""What is still read of a refused body, so that a client which writes before it reads gets to see the refusal."""


ADMIN_KEY_HEADER = "x-ossature-admin-key"
"""Sent beside a project's key by an admin who wants to see the reasons of the routing decision."""


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class Exchange:
    """Made per request.

    ``principal`` is set once the caller is known, ``accounted`` once the inside has taken over and counts what happens,
    ``explain`` if an admin asked for reasons, ``started`` and ``status`` with the first byte of an answer, ``finished`` with its
    last. ``pieces`` counts what was written of it. ``span``: of a request that is traced.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, write_timeout_s: float = 60.0) -> None:
        self.request_id = f"req_{secrets.token_hex(16)}"
        self.method: str = scope["method"]
        self.path = path_of(scope)
        self.scheme: str = scope.get("scheme", "http")
        self.query_string: bytes = scope.get("query_string", b"")
        self.principal: Principal | None = None
        self.explain = False
        self.span: Span = NO_SPAN
        self.status: int | None = None
        self.accounted = False
        self.extra_headers: list[Header] = []
        self.started = False
        self.finished = False
        self.receive = receive
        self._send = send
        self._write_timeout_s = write_timeout_s
        self._writing = False
        self._unwritten: Begun | None = None
        self.pieces = 0
        self._began = time.monotonic()
        self._headers: Mapping[bytes, bytes] = dict(reversed(scope["headers"]))
        self._body_read = False

    def header(self, name: str) -> str | None:
        """The first header of this name (lower case), or ``None``."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def caller(self) -> Principal:
        assert self.principal is not None, "the route must require a key"
        return self.principal

    # --- the request's body -----------------------------------------------------------------------------------------------

    async def read_json(self, limit_bytes: int, timeout_s: float) -> bytes:
        """The whole body. Raises 408, 413, 415 errors as early as they are known, and :class:`ClientGone`."""
        self._check_content_type()
        self._check_announced(limit_bytes)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(timeout_s):
                while not self._body_read:
                    chunk = await self._receive_chunk()
                    size += len(chunk)
                    if size > limit_bytes:
                        raise _too_large(limit_bytes)
                    chunks.append(chunk)
        except TimeoutError:
            raise RequestTimeout(f"The request body did not arrive within {timeout_s:g} seconds.") from None
        return b"".join(chunks)

    async def body_chunks(self, idle_timeout_s: float, limit_bytes: int | None = None) -> AsyncIterator[bytes]:
        """The body as it arrives.

        Raises a 408 error when nothing comes for ``idle_timeout_s``, a 413 error as early as it is known, and :class:`ClientGone`.
        """
        size = 0
        if limit_bytes is not None:
            self._check_announced(limit_bytes)
        while not self._body_read:
            try:
                async with asyncio.timeout(idle_timeout_s):
                    chunk = await self._receive_chunk()
            except TimeoutError:
                raise RequestTimeout(f"Nothing more of the request body arrived for {idle_timeout_s:g} seconds.") from None
            size += len(chunk)
            if limit_bytes is not None and size > limit_bytes:
                raise _too_large(limit_bytes)
            if chunk:
                yield chunk

    def _check_announced(self, limit_bytes: int) -> None:
        announced = self.header("content-length")
        if announced is not None and announced.isdecimal() and int(announced[:20]) > limit_bytes:
            raise _too_large(limit_bytes)

    async def _receive_chunk(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._body_read = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    def _check_content_type(self) -> None:
        media_type, _, parameters = (self.header("content-type") or "application/json").partition(";")
        if media_type.strip().lower() != "application/json":
            raise UnsupportedMediaType(f"Content-Type must be 'application/json', not '{media_type.strip()[:100]}'.")
        charset = parameters.strip().lower()
        if charset.startswith("charset=") and charset[8:].strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("The request body must be encoded in UTF-8.")
        if (self.header("content-encoding") or "identity").lower() != "identity":
            raise UnsupportedMediaType("Compressed request bodies are not supported.")

    # --- the answer -------------------------------------------------------------------------------------------------------

    async def respond(self, body: bytes, *, status: int = 200, headers: Iterable[Header] = ()) -> None:
        """Answer with one JSON body."""
        unread = self._has_unread_body()
        await self.start(
            status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *([(b"connection", b"close")] if unread else []),
                *headers,
            ],
        )
        await self.send_body(b"" if self.method == "HEAD" else body, last=not unread)
        if unread:
            await self._drain()
            await self.send_body(b"", last=True)

    async def respond_object(self, value: object, *, status: int = 200) -> None:
        await self.respond(msgspec.json.encode(value), status=status)

    async def fail(self, error: OssatureError) -> None:
        """Answer with an error in OpenAI's shape."""
        headers = retry_headers(error)
        if error.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        await self.respond(msgspec.json.encode(error.body()), status=error.status, headers=headers)

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        self.started = True
        self.status = status
        await self._transmit({"type": "http.response.start", "status": status, "headers": [*headers, *self._standard_headers()]})

    async def send_body(self, body: bytes, *, last: bool) -> None:
        """Raises :class:`ClientGone`, also for a client that takes nothing for ``write_timeout_s``."""
        await self._transmit({"type": "http.response.body", "body": body, "more_body": not last})
        self.finished = self.finished or last

    def write_through(self, body: bytes) -> bool:
        """Write a piece of the body now, without waiting. ``False``, and nothing written, while the client takes nothing.

        ``False`` as well when writing fails: :meth:`send_body` will then fail in the same way, and raise.
        """
        if self._writing or self._unwritten is not None:
            return False
        self.pieces += 1
        try:
            self._unwritten = begun(self._send({"type": "http.response.body", "body": body, "more_body": True}))
        except Exception:  # noqa: BLE001 - not the business of whoever gives away a token
            return False
        return True

    async def _transmit(self, message: Message) -> None:
        self._writing = True
        self.pieces += 1
        try:
            if self._unwritten is not None:
                unwritten, self._unwritten = self._unwritten, None
                await within(self._write_timeout_s, unwritten)
            await within(self._write_timeout_s, self._send(message))
        except (OSError, TimeoutError):
            raise ClientGone from None
        finally:
            self._writing = False

    def _standard_headers(self) -> list[Header]:
        headers = [
            (b"x-request-id", self.request_id.encode()),
            (b"openai-version", _API_VERSION),
            (b"openai-processing-ms", str(round((time.monotonic() - self._began) * 1000)).encode()),
            *self.extra_headers,
        ]
        if self.principal is not None and self.principal.org_id:
            headers.append((b"openai-organization", self.principal.org_id.encode()))
        return headers

    def _has_unread_body(self) -> bool:
        return not self._body_read and ((self.header("content-length") or "0") != "0" or b"transfer-encoding" in self._headers)

    async def _drain(self) -> None:
        left = _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_S):
                while left > 0 and not self._body_read:
                    left -= len(await self._receive_chunk())
        except TimeoutError:
            return


def retry_headers(error: OssatureError) -> list[Header]:
    """``Retry-After`` in whole seconds for everybody, and in milliseconds for OpenAI's clients."""
    if error.retry_after_s is None:
        return []
    seconds = max(1, -int(-error.retry_after_s // 1))
    return [(b"retry-after", str(seconds).encode()), (b"retry-after-ms", str(max(1, round(error.retry_after_s * 1000))).encode())]


def path_of(scope: Scope) -> str:
    """The path of the URL, without what the application is mounted under."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] or "/" if prefix and path.startswith(prefix) else path


def _too_large(limit_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than the limit of {limit_bytes} bytes.")
