"""Clients that leave, dawdle or send too much, on bare sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.config.settings.edges import HttpSettings
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.http.conftest import Edge
from tests.unit.requests.samples import chat

ABORT_S = 1.0
"""Within this time the generation of a client that left must have ended."""


def head(length: str, *, key: str = "sk-acme") -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\n{length}\r\n\r\n"
    ).encode()


def request(body: dict[str, object]) -> bytes:
    data = json.dumps(body).encode()
    return head(f"content-length: {len(data)}") + data


@asynccontextmanager
async def connected(edge: Edge) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def leave(writer: asyncio.StreamWriter, how: str) -> None:
    if how == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if how == "half-closed":
        writer.write_eof()
    else:
        writer.transport.abort() if how == "reset" else writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
async def test_leaving_a_waiting_request_cancels_it(edge: Edge, how: str) -> None:
    for stream in (False, True):
        edge.inference.delay_s = 60
        edge.inference.began.clear()
        edge.inference.cancelled.clear()
        async with connected(edge) as (_, writer):
            writer.write(request(chat(stream=stream)))
            await asyncio.wait_for(edge.inference.began.wait(), 5)
            leave(writer, how)
            await asyncio.wait_for(edge.inference.cancelled.wait(), ABORT_S)


@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
async def test_leaving_a_stream_between_tokens_closes_it(edge: Edge, how: str) -> None:
    stream = edge.inference.answer_stream = FakeStream([[chat_chunk("a")]], hangs=True)
    async with connected(edge) as (reader, writer):
        writer.write(request(chat(stream=True)))
        await asyncio.wait_for(reader.readuntil(b'"a"'), 5)
        leave(writer, how)
        await asyncio.wait_for(stream.closed.wait(), ABORT_S)


async def test_leaving_a_stream_under_full_speed_closes_it(edge: Edge) -> None:
    stream = edge.inference.answer_stream = FakeStream([[chat_chunk("a")] * 8], repeat=True)
    async with connected(edge) as (reader, writer):
        writer.write(request(chat(stream=True)))
        await asyncio.wait_for(reader.readuntil(b'"a"'), 5)
        leave(writer, "closed")
        await asyncio.wait_for(stream.closed.wait(), ABORT_S)
    given = stream.given
    await asyncio.sleep(0.05)
    assert stream.given == given


async def test_a_client_that_does_not_read_stops_the_stream_and_can_still_leave(edge: Edge) -> None:
    stream = edge.inference.answer_stream = FakeStream([[chat_chunk("x" * 50_000)]], repeat=True)
    async with connected(edge) as (_, writer):
        writer.write(request(chat(stream=True)))
        given = -1
        async with asyncio.timeout(10):
            while stream.given != given or given == 0:
                given = stream.given
                await asyncio.sleep(0.1)
        assert given * 50_000 < 64 << 20, "what a client does not read must not pile up here"
        leave(writer, "reset")
        await asyncio.wait_for(stream.closed.wait(), ABORT_S)


async def test_a_stream_that_ends_by_itself_is_closed_not_cancelled(edge: Edge) -> None:
    for _ in range(20):
        stream = edge.inference.answer_stream = FakeStream([[chat_chunk("a")]])
        assert (await edge.post("/v1/chat/completions", chat(stream=True))).text.endswith("data: [DONE]\n\n")
        await asyncio.wait_for(stream.closed.wait(), ABORT_S)
    assert not edge.inference.cancelled.is_set()


@pytest.mark.slow
async def test_a_body_that_does_not_arrive_gets_408(edge: Edge) -> None:
    async with connected(edge) as (reader, writer):
        began = time.monotonic()
        writer.write(head("content-length: 100") + b'{"model":')
        assert await asyncio.wait_for(status_of(reader), 10) == 408
        assert 1.9 < time.monotonic() - began < 8
        assert b"connection: close" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert b"request_timeout" in await asyncio.wait_for(reader.read(-1), 5)


@pytest.mark.slow
async def test_a_trickling_body_gets_408_as_well(edge: Edge) -> None:
    async with connected(edge) as (reader, writer):
        writer.write(head("content-length: 1000"))
        answer = asyncio.create_task(status_of(reader))
        while not answer.done():
            writer.write(b" ")
            await asyncio.sleep(0.05)
        assert await answer == 408


async def test_leaving_before_the_body_is_complete_is_no_request(edge: Edge) -> None:
    async with connected(edge) as (_, writer):
        writer.write(head("content-length: 100") + b"{")
        await asyncio.sleep(0.05)
        leave(writer, "closed")
    await asyncio.sleep(0.05)
    assert edge.inference.asked == []
    assert (await edge.post("/v1/chat/completions", chat())).status_code == 200


@pytest.mark.parametrize("length", ["content-length: 104857600", "transfer-encoding: chunked"])
async def test_a_body_of_100_mb_is_refused_before_it_is_read(length: str) -> None:
    async with (
        Edge(settings=HttpSettings(max_body_bytes=1 << 20, body_timeout_s=30)).served() as edge,
        connected(edge) as (reader, writer),
    ):
        answer = asyncio.create_task(status_of(reader))
        writer.write(head(length))
        block = b"x" * (1 << 16)
        sent = 0
        while sent < 100 << 20:
            writer.write(b"10000\r\n" + block + b"\r\n" if "chunked" in length else block)
            sent += len(block)
            await writer.drain()
            if answer.done():
                break
        assert await asyncio.wait_for(answer, 5) == 413
        assert sent < 8 << 20
        for _ in range(200):  # and a client that goes on writing meets no reset before it has read
            writer.write(block if "chunked" not in length else b"10000\r\n" + block + b"\r\n")
            await writer.drain()
        assert b"request_too_large" in await asyncio.wait_for(reader.readuntil(b"}}"), 5)


async def test_a_wrong_key_is_refused_before_the_body_is_sent(edge: Edge) -> None:
    async with connected(edge) as (reader, writer):
        writer.write(head("content-length: 1000\r\nexpect: 100-continue", key="sk-wrong"))
        assert await asyncio.wait_for(status_of(reader), 5) == 401


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_harms_nobody_else(edge: Edge, garbage: bytes) -> None:
    async with connected(edge) as (reader, writer):
        writer.write(garbage)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(-1), 5)
        assert answer == b"" or not answer.split()[1].startswith(b"5")
    assert (await edge.post("/v1/chat/completions", chat())).status_code == 200


async def test_websockets_are_turned_away(edge: Edge) -> None:
    async with connected(edge) as (reader, writer):
        writer.write(
            b"GET /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert await asyncio.wait_for(status_of(reader), 5) in (403, 405)
