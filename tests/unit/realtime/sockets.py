"""A plain WebSocket client: it sends what it is told, keeps what it gets, and holds every event against OpenAI's schema."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from tests.openai_schema import SchemaOracle
from tests.unit.realtime.scene import schema_problems

_WAIT_S = 60.0


class Socket:
    def __init__(self, connection: ClientConnection, *, beta: bool = False) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self._oracle = SchemaOracle.load()
        self._beta = beta

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def audio(self, pcm: bytes, *, piece_ms: int = 20) -> None:
        """Send it in pieces, as fast as they are taken."""
        size = 48 * piece_ms
        for start in range(0, len(pcm), size):
            await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm[start : start + size]).decode())

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(_WAIT_S):
            event: dict[str, Any] = json.loads(await self.connection.recv())
        if not self._beta:
            assert not schema_problems(self._oracle, event), (event, schema_problems(self._oracle, event))
        self.events.append(event)
        return event

    async def until(self, kind: str, matching: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        """The next event of this kind, reading on until it comes."""
        while True:
            event = await self.event()
            if event["type"] == kind and matching(event):
                return event
            assert event["type"] != "error" or kind == "error", event

    async def ask(self, text: str) -> dict[str, Any]:
        """Say something in writing; the finished response."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send("conversation.item.create", item=item)
        await self.send("response.create")
        done = await self.until("response.done")
        response: dict[str, Any] = done["response"]
        return response

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def connected(
    base_url: str,
    *,
    key: str | None = "sk-acme",
    query: str = "?model=demo",
    beta: bool = False,
    subprotocols: list[str] | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[Socket]:
    sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    if beta:
        sent["OpenAI-Beta"] = "realtime=v1"
    async with websockets.connect(
        f"{base_url}/realtime{query}",
        additional_headers=sent,
        subprotocols=[Subprotocol(name) for name in subprotocols] if subprotocols else None,
        max_size=None,
        proxy=None,
    ) as connection:
        yield Socket(connection, beta=beta)
