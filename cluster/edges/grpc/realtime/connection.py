"""A bidirectional call as a session's connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import grpc.aio

from cluster.config.settings.realtime import RealtimeSettings
from cluster.edges.grpc.generated.ossature.realtime.v1 import realtime_pb2
from cluster.edges.grpc.realtime import events
from cluster.edges.grpc.realtime.handoff import Handoff
from cluster.edges.http.promptness import within
from cluster.errors import DeadlineExceeded, OssatureError, RequestTimeout
from cluster.realtime.driver.driver import INTERNAL_ERROR, ConnectionLost
from cluster.realtime.protocol.client_events import ClientEvent
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import ServerEvent
from cluster.realtime.protocol.session_objects import SessionUpdateBody
from cluster.realtime.session.inputs import EventInvalid

_READ_IN_THREAD_BYTES = 256 << 10

_T = TypeVar("_T")


class DefectiveSession(Exception):
    """The session ended on a defect, which has been logged where it happened."""


class GrpcConnection:
    """Implements :class:`~cluster.realtime.driver.driver.Connection`.

    The session puts its events here, and the call's method takes them with :meth:`next_response`. A client that takes none holds
    the method at its ``yield``; so it is here that the wait for it is bounded.
    """

    def __init__(self, requests: AsyncIterator[bytes], settings: RealtimeSettings) -> None:
        self._requests = requests
        self._settings = settings
        self._responses: Handoff[realtime_pb2.ConverseResponse] = Handoff()
        self.ending: OssatureError | DefectiveSession | None = None
        """Why the server ended the session, for the call's status; ``None`` when the client did."""

    async def receive_start(self, timeout_s: float) -> tuple[str | None, SessionUpdateBody | None]:
        """Model and settings of the first event.

        Raises :class:`EventRefused`, :class:`ConnectionLost`, :class:`~cluster.errors.RequestTimeout`.
        """
        try:
            data = await self._receive(timeout_s)
        except TimeoutError:
            raise RequestTimeout(f"No session_start came within {timeout_s:g} s.") from None
        return await self._read(events.start_of, data)

    async def receive(self) -> ClientEvent | EventInvalid:
        try:
            data = await self._receive(self._settings.idle_timeout_s)
        except TimeoutError:
            self.ending = RequestTimeout(f"The client sent nothing for {self._settings.idle_timeout_s:g} s.")
            raise ConnectionLost from None
        try:
            return await self._read(events.client_event, data)
        except EventRefused as refused:
            return EventInvalid(refused)

    async def send(self, event: ServerEvent) -> None:
        timeout_s = self._settings.write_timeout_s
        try:
            await within(timeout_s, self._responses.put(events.response_of(event)))
        except TimeoutError:
            self.ending = RequestTimeout(f"The client took nothing for {timeout_s:g} s, so its session was ended.")
            raise ConnectionLost from None

    async def close(self, code: int, reason: str) -> None:
        self.ending = DefectiveSession(reason) if code == INTERNAL_ERROR else DeadlineExceeded(f"The session was ended: {reason}.")

    async def next_response(self) -> realtime_pb2.ConverseResponse | None:
        """The next event to send; ``None`` at the end."""
        return await self._responses.take()

    def end(self) -> None:
        """There is no session any more. What it has put can still be taken."""
        self._responses.end()

    async def _receive(self, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return await anext(self._requests)
        except (StopAsyncIteration, grpc.RpcError, grpc.aio.UsageError):
            # The client has closed its side, or is gone.
            raise ConnectionLost from None

    async def _read(self, read: Callable[[bytes], _T], data: bytes) -> _T:
        limit = self._settings.max_frame_bytes
        if len(data) > limit:
            raise EventRefused("event_too_large", f"The event is larger than the limit of {limit} bytes.")
        return await asyncio.to_thread(read, data) if len(data) > _READ_IN_THREAD_BYTES else read(data)
