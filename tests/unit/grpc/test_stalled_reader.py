"""A client that opens a stream and takes nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.patience import ReaderPatience
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.errors import RequestTimeout, first_count
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.grpc.conftest import AUTH, MAX_MESSAGE_BYTES, authenticate
from tests.unit.grpc.fake_inference import fake_inference
from tests.unit.grpc.messages import stream_request
from tests.unit.grpc.plain_server import build_server

PIECES = 4000
PIECE = "x" * 4096


async def _taken(call: AsyncIterator[object]) -> int:
    return len([message async for message in call])


async def test_its_generation_is_freed_while_it_still_stalls() -> None:
    inference = fake_inference()
    inference.answer_stream = FakeStream([[chat_chunk(PIECE)]] * PIECES)
    server = build_server(GrpcEdge(inference, authenticate, lambda: True, write_timeout_s=0.3), max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The window does not grow with what is taken, so the server is held up early.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 << 10)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = ChatServiceStub(channel).StreamChatCompletion(stream_request(), metadata=AUTH)
        await asyncio.wait_for(inference.answer_stream.closed.wait(), 10)
        assert not call.done()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await _taken(call)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await server.stop(0)


async def test_a_reader_that_takes_each_message_in_time_is_left_alone() -> None:
    given_up = asyncio.Event()

    async def give_up() -> None:
        given_up.set()

    patience = ReaderPatience(0.2, give_up)
    for _ in range(5):
        with patience:
            await asyncio.sleep(0.06)
    assert not given_up.is_set()


async def test_a_reader_that_comes_back_too_late_finds_an_error() -> None:
    given_up = asyncio.Event()

    async def give_up() -> None:
        given_up.set()

    with pytest.raises(RequestTimeout, match=r"0\.01 s") as late, ReaderPatience(0.01, give_up):
        await asyncio.wait_for(given_up.wait(), 5)
    assert not first_count(late.value), "the request would be counted again, beside what giving up has booked"
