"""The same cluster over gRPC: a plain client that sends what it is told and keeps what it gets, as JSON has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from cluster.edges.grpc.generated.ossature.realtime.v1 import client_events_pb2, realtime_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1.realtime_pb2_grpc import RealtimeServiceStub
from cluster.edges.grpc.realtime import events
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.edges.realtime.sessions import Sessions
from tests.unit.grpc.plain_server import build_server
from tests.unit.realtime.fake_cluster import Cluster, authenticate

_WAIT_S = 60.0
MAX_MESSAGE_BYTES = 32 << 20
END: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # missing in the stubs


class Call:
    def __init__(self, rpc: Any) -> None:
        self.rpc = rpc
        self.events: list[dict[str, Any]] = []

    async def start(self, model: str | None = "demo") -> None:
        start = client_events_pb2.SessionStart(model=model)
        await self.rpc.write(realtime_pb2.ConverseRequest(session_start=start))

    async def send(self, kind: str, **fields: Any) -> None:
        await self.rpc.write(events.request_of({"type": kind, **fields}))

    async def audio(self, pcm: bytes, *, piece_ms: int = 20) -> None:
        """Send it in pieces, as fast as they are taken."""
        size = 48 * piece_ms
        for start in range(0, len(pcm), size):
            await self.send("input_audio_buffer.append", audio=pcm[start : start + size])

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(_WAIT_S):
            message = await self.rpc.read()
        assert message is not END, (await self.rpc.code(), await self.rpc.details())
        self.events.append(events.server_document(message))
        return self.events[-1]

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
        await self.send("response.create", response={})
        response: dict[str, Any] = (await self.until("response.done"))["response"]
        return response

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def grpc_served(cluster: Cluster, sessions: Sessions | None = None) -> AsyncIterator[str]:
    """The cluster's gRPC edge on a port of its own; its address."""
    edge = GrpcEdge(
        cluster.inference,  # type: ignore[arg-type]  # as much of it as realtime sessions use
        authenticate,
        lambda: True,
        realtime=sessions or cluster.sessions(),
    )
    server = build_server(edge, max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def calling(address: str, *, key: str | None = "sk-acme", options: Any = None, **arguments: Any) -> AsyncIterator[Call]:
    """A call that has said nothing yet. ``arguments``: of the call, as ``timeout``."""
    metadata = (("authorization", f"Bearer {key}"),) if key is not None else ()
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub: Any = RealtimeServiceStub
        rpc = stub(channel).Converse(metadata=metadata, **arguments)
        try:
            yield Call(rpc)
        finally:
            rpc.cancel()


@asynccontextmanager
async def started(address: str, *, key: str = "sk-acme", model: str = "demo") -> AsyncIterator[Call]:
    """A call with an open session."""
    async with calling(address, key=key) as call:
        await call.start(model)
        yield call
