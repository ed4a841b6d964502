"""One realtime session on one call: how it starts, how its events come out, and what is left of it when either side goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack

import grpc.aio

from cluster.edges.grpc.generated.ossature.realtime.v1 import realtime_pb2
from cluster.edges.grpc.realtime.connection import GrpcConnection
from cluster.edges.realtime.sessions import Sessions
from cluster.errors import InvalidRequest, OssatureError, PermissionDenied, first_count
from cluster.identity.principal import Principal
from cluster.realtime.driver.driver import ConnectionLost
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.session.configuration import SessionConfig
from cluster.telemetry import logs

START_TIMEOUT_S = 30.0
"""Longest wait for ``session_start``. It needs nothing that the client does not have when it calls."""

_FIRST_EVENT_S = 1.0
"""How long a refusal waits for it."""

_log = logging.getLogger(__name__)


async def converse(
    sessions: Sessions, principal: Principal, requests: AsyncIterator[bytes], request_id: str
) -> AsyncGenerator[realtime_pb2.ConverseResponse, None]:
    """The session's events. ``requests``: serialized events of the client.

    Raises :class:`OssatureError` for a session that can't be had, before any event, and for one that the server has ended, after
    the last. The session runs in a task of its own: it ends, and gives its place back, also while this generator is held at a
    ``yield`` by a client that takes nothing.
    """
    connection = GrpcConnection(requests, sessions.settings)
    try:
        model, settings = await connection.receive_start(START_TIMEOUT_S)
    except EventRefused as refused:
        raise InvalidRequest(refused.message, param=refused.param, code=refused.code) from None
    except ConnectionLost:
        return
    if principal.admin:
        raise PermissionDenied("An admin key cannot use models. Create a key of an organization for that.")
    config = sessions.configured(principal, model, settings)
    held = ExitStack()
    held.enter_context(sessions.place(principal))
    session = asyncio.create_task(_run(sessions, principal, config, connection, request_id), name="realtime-session")

    def ended(_: asyncio.Task[None]) -> None:
        held.close()
        connection.end()

    session.add_done_callback(ended)
    try:
        while (response := await connection.next_response()) is not None:
            yield response
        await session
    finally:
        session.cancel()
        await asyncio.wait([session])
    if connection.ending is not None:
        if isinstance(connection.ending, OssatureError):
            first_count(connection.ending)  # a session's end is no refused request
        raise connection.ending


async def first_arrived(requests: AsyncIterator[bytes]) -> None:
    """Wait a little for the first event of a call that is refused, without looking at it.

    A status that crosses a message on its way is lost by some clients (grpc.aio among them), which then tell of an internal error.
    """
    with contextlib.suppress(TimeoutError, StopAsyncIteration, grpc.RpcError, grpc.aio.UsageError):
        async with asyncio.timeout(_FIRST_EVENT_S):
            await anext(requests)


async def _run(
    sessions: Sessions, principal: Principal, config: SessionConfig, connection: GrpcConnection, request_id: str
) -> None:
    with logs.bound(request_id=request_id, org_id=principal.org_id or None):
        try:
            await sessions.run(principal, config, connection, request_id)
        except ConnectionLost:
            _log.debug("The client went away")
