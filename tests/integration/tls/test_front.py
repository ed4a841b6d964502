"""Every edge through the TLS front that ``deploy/tls`` configures."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import httpx
import pytest
import websockets

from cluster.edges.grpc.generated.ossature.v1 import models_pb2
from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.generated.ossature.v1.models_pb2_grpc import ModelServiceStub
from cluster.edges.grpc.servicer import GrpcEdge
from tests.integration.tls.front import Certificate, certificate, free_port, fronted
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.grpc.conftest import AUTH, MAX_MESSAGE_BYTES, authenticate
from tests.unit.grpc.fake_inference import fake_inference
from tests.unit.grpc.messages import stream_request
from tests.unit.grpc.plain_server import build_server
from tests.unit.http.conftest import Edge

pytestmark = pytest.mark.integration

HEADERS = {"authorization": "Bearer sk-acme"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_https_answers_over_http_1_and_offers_http_2(own: Certificate) -> None:
    async with Edge().served() as edge:
        with fronted(own, http_port=edge.port, grpc_port=free_port()) as front:
            url = f"https://127.0.0.1:{front.http_port}"
            async with httpx.AsyncClient(base_url=url, headers=HEADERS, verify=own.trusted(), trust_env=False) as client:
                answer = await client.get("/v1/models")
                assert answer.status_code == 200
                assert answer.headers["strict-transport-security"]
                assert (await client.get("/v1/models", headers={"authorization": "Bearer wrong"})).status_code == 401
            offering = own.trusted()
            offering.set_alpn_protocols(["h2", "http/1.1"])
            _, writer = await asyncio.open_connection("127.0.0.1", front.http_port, ssl=offering)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
            writer.close()


async def test_a_stream_comes_through_piece_by_piece(own: Certificate) -> None:
    second_may_come = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"d\r\ndata: first\n\n\r\n")
        await writer.drain()
        await second_may_come.wait()
        writer.write(b"e\r\ndata: second\n\n\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(slowly, "127.0.0.1", 0)
    async with server:
        with fronted(own, http_port=server.sockets[0].getsockname()[1], grpc_port=free_port()) as front:
            async with (
                httpx.AsyncClient(verify=own.trusted(), trust_env=False, timeout=20) as client,
                client.stream("POST", f"https://127.0.0.1:{front.http_port}/v1/chat/completions", json={}) as answer,
            ):
                pieces = answer.aiter_text()
                assert await anext(pieces) == "data: first\n\n"
                second_may_come.set()
                assert await anext(pieces) == "data: second\n\n"


async def test_websockets_come_through(own: Certificate) -> None:
    async def echo(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with fronted(own, http_port=port, grpc_port=free_port()) as front:
            url = f"wss://127.0.0.1:{front.http_port}/v1/realtime"
            async with websockets.connect(url, ssl=own.trusted(), proxy=None) as connection:
                await connection.send(b"\x00" * 70_000)
                assert await connection.recv() == b"\x00" * 70_000


async def test_grpc_comes_through_with_its_streams_and_statuses(own: Certificate) -> None:
    inference = fake_inference()
    inference.answer_stream = FakeStream([[chat_chunk("Hi")], [chat_chunk(finish_reason="stop")]])
    server = build_server(GrpcEdge(inference, authenticate, lambda: True), max_message_bytes=MAX_MESSAGE_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with fronted(own, http_port=free_port(), grpc_port=port) as front:
            credentials = grpc.ssl_channel_credentials(own.authority.read_bytes())
            async with grpc.aio.secure_channel(f"127.0.0.1:{front.grpc_port}", credentials) as channel:
                listed = await ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), metadata=AUTH)
                assert listed.models
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest())
                assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
                stream = ChatServiceStub(channel).StreamChatCompletion(stream_request(), metadata=AUTH)
                assert [chunk.choices[0].delta.content async for chunk in stream] == ["Hi", ""]
                assert await stream.code() is grpc.StatusCode.OK
    finally:
        await server.stop(0)


async def test_what_is_not_tls_or_is_too_old_is_refused(own: Certificate, tmp_path: Path) -> None:
    async with Edge().served() as edge:
        with fronted(own, http_port=edge.port, grpc_port=free_port()) as front:
            async with httpx.AsyncClient(trust_env=False) as client:
                with pytest.raises(httpx.HTTPError):
                    await client.get(f"http://127.0.0.1:{front.http_port}/healthz")
            old = own.trusted()
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", front.http_port, ssl=old)
            stranger = certificate(tmp_path).trusted()
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", front.http_port, ssl=stranger)
