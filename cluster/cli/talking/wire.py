"""A connection to the cluster, by WebSocket or gRPC: events in, events out, each as JSON has it but with audio as ``bytes``."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidHandshake, InvalidStatus

from cluster.cli.client import CONNECT_TIMEOUT_S, ClusterClient, is_loopback, unreachable
from cluster.cli.output import CommandError, printable
from cluster.cli.talking.talk import Event
from cluster.cli.target import Target

_AUDIO = {"input_audio_buffer.append": "audio", "response.output_audio.delta": "delta"}
"""Events with audio, and where they have it."""

_CLOSE_TIMEOUT_S = 2.0


class Wire(Protocol):
    async def send(self, event: Event) -> None:
        """Returns when there is room for more. Raises :class:`CommandError`."""
        ...

    async def receive(self) -> Event | None:
        """The next event; ``None`` when the server has ended the session. Raises :class:`CommandError`."""
        ...


class SocketWire:
    def __init__(self, socket: ClientConnection, where: str) -> None:
        self._socket = socket
        self._where = where

    async def send(self, event: Event) -> None:
        try:
            await self._socket.send(json.dumps(_with_text(event)))
        except ConnectionClosed as closed:
            raise self._broken(closed) from closed

    async def receive(self) -> Event | None:
        try:
            return _event(await self._socket.recv())
        except ConnectionClosedOK:
            return None
        except ConnectionClosed as closed:
            raise self._broken(closed) from closed

    def _broken(self, closed: ConnectionClosed) -> CommandError:
        reason = printable(closed.rcvd.reason) if closed.rcvd is not None else ""
        return CommandError(f"the connection to {self._where} broke off: {reason or 'no reason was told'}")


@asynccontextmanager
async def by_socket(target: Target, client: ClusterClient, model: str) -> AsyncIterator[Wire]:
    """``client``: speaks HTTP to the same cluster, with the key that the session is to be opened with."""
    address = f"ws{target.base_url.removeprefix('http')}/v1/realtime"
    query = str(httpx.QueryParams(model=model))
    try:
        socket = await connect(
            f"{address}?{query}",
            additional_headers={"Authorization": f"Bearer {target.api_key}"},
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=None,
            # A proxy for the internet must not see connections to this machine.
            proxy=None if is_loopback(target.base_url) else True,
        )
    except InvalidStatus as refused:
        answer = refused.response
        raise client.refused(
            httpx.Response(answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body or b""))
        ) from None
    except (OSError, TimeoutError) as error:
        raise unreachable(target) from error
    except InvalidHandshake as error:
        raise CommandError(f"{target.base_url} does not open a session: {printable(str(error))}") from error
    async with socket:
        yield SocketWire(socket, target.base_url)


def _with_text(event: Event) -> Event:
    name = _AUDIO.get(event["type"])
    return event if name is None else {**event, name: base64.b64encode(event[name]).decode()}


def _event(frame: str | bytes) -> Event:
    try:
        event: Any = json.loads(frame)
        name = _AUDIO.get(event["type"])
        return event if name is None else {**event, name: base64.b64decode(event[name], validate=True)}
    except (ValueError, TypeError, KeyError):
        raise CommandError("the cluster sent something that is no event") from None
