"""One realtime session with a cluster, as the benches hold it: raw events, each with the time at which it came."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

PIECE_MS = 20
PIECE_BYTES = 48 * PIECE_MS
_WAIT_S = 60.0


class SessionFailed(RuntimeError):
    """The cluster answered with an error event, or with nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """``at``: ``time.monotonic`` when it was read."""

    kind: str
    at: float
    body: dict[str, Any]


@dataclass
class Session:
    """``said_at``: when the last piece of what was to be said had been sent."""

    connection: ClientConnection
    said_at: float = 0.0
    events: list[Event] = field(default_factory=list)
    _waiting: bytearray = field(default_factory=bytearray)

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str, matching: Callable[[Event], bool] = lambda event: True) -> Event:
        """The next event of this kind. Raises :class:`SessionFailed`."""
        try:
            async with asyncio.timeout(_WAIT_S):
                while True:
                    body = json.loads(await self.connection.recv())
                    event = Event(body["type"], time.monotonic(), body)
                    self.events.append(event)
                    if event.kind == "error":
                        raise SessionFailed(body["error"]["message"])
                    if event.kind == kind and matching(event):
                        return event
        except TimeoutError:
            raise SessionFailed(f"no {kind} within {_WAIT_S:g} s") from None

    def seen(self, kind: str) -> Event | None:
        """The first event of this kind among those that have come."""
        return next((event for event in self.events if event.kind == kind), None)

    def say(self, pcm: bytes) -> None:
        self._waiting += pcm

    async def microphone(self) -> None:
        """Sends what there is to say, and silence, in real time; never ends by itself."""
        due = time.monotonic()
        while True:
            piece = bytes(self._waiting[:PIECE_BYTES])
            del self._waiting[:PIECE_BYTES]
            await self.connection.send(append_event(piece.ljust(PIECE_BYTES, b"\0")))
            if piece and not self._waiting:
                self.said_at = time.monotonic()
            due += PIECE_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def append_event(pcm: bytes) -> str:
    return f'{{"type":"input_audio_buffer.append","audio":"{base64.b64encode(pcm).decode()}"}}'


@asynccontextmanager
async def opened(base_url: str, key: str, model: str, session: dict[str, Any]) -> AsyncIterator[Session]:
    """``base_url``: the cluster's, ``http://host:port``. ``session``: settings to begin with."""
    url = f"{base_url.replace('http', 'ws', 1)}/v1/realtime?model={model}"
    headers = {"Authorization": f"Bearer {key}"}
    async with websockets.connect(url, additional_headers=headers, max_size=None, proxy=None, compression=None) as connection:
        held = Session(connection)
        await held.until("session.created")
        await held.send("session.update", session={"type": "realtime", **session})
        await held.until("session.updated")
        yield held
