"""``store`` over gRPC: kept as over HTTP, and told as there when it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from cluster.completions.service import Filter, PageQuery, StoredCompletions
from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.inference.requests.limits import RequestLimits
from tests.unit.grpc.messages import request, stream_request
from tests.unit.grpc.plain_server import build_server
from tests.unit.storage.served import ACME, Served, authenticate

AUTH = (("authorization", "Bearer sk-acme"),)


@asynccontextmanager
async def chat(served: Served) -> AsyncIterator[ChatServiceStub]:
    edge = GrpcEdge(served.inference, authenticate, lambda: True, limits=RequestLimits(store=True))
    server = build_server(edge, max_message_bytes=2 << 20)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ChatServiceStub(channel)
    await server.stop(0)


async def stored_ids(served: Served, **metadata: str) -> list[str]:
    completions = StoredCompletions(served.database, StoredCompletionsSettings())
    page = await completions.page(ACME, Filter(metadata=metadata), PageQuery())
    return [name for name, _ in page.items]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_call_that_asks_for_it_is_stored_with_its_metadata(tmp_path: Path, streamed: bool) -> None:
    async with Served(tmp_path).inside() as served, chat(served) as stub:
        if streamed:
            call = stub.StreamChatCompletion(stream_request(store=True, metadata={"a": "1"}), metadata=AUTH)
            answers = [piece async for piece in call]
        else:
            answers = [await stub.CreateChatCompletion(request(store=True, metadata={"a": "1"}), metadata=AUTH)]
        await stub.CreateChatCompletion(request(metadata={"a": "1"}), metadata=AUTH)
        assert not any(answer.warnings for answer in answers)
        assert await stored_ids(served, a="1") == [answers[0].id]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_call_whose_answer_could_not_be_stored_says_so(tmp_path: Path, streamed: bool) -> None:
    async with Served(tmp_path).inside() as served, chat(served) as stub:
        await served.storage.commits.close()
        if streamed:
            pieces = [piece async for piece in stub.StreamChatCompletion(stream_request(store=True), metadata=AUTH)]
            assert "".join(piece.choices[0].delta.content for piece in pieces) == "Hello there."
            (warning,) = pieces[-1].warnings
        else:
            answer = await stub.CreateChatCompletion(request(store=True), metadata=AUTH)
            assert answer.choices[0].message.content == "Hello there."
            (warning,) = answer.warnings
        assert (warning.code, warning.param) == ("store_unavailable", "store")
