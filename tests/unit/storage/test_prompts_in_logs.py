"""A marked prompt goes through edges, inside and store at the most talkative level: it is in no log line, unless wanted."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from cluster.config.settings.telemetry import LoggingSettings
from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2
from cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc import ChatServiceStub
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.telemetry import logs
from tests.unit.grpc.plain_server import build_server
from tests.unit.storage.fake_relay import FakeRelay
from tests.unit.storage.served import ACME, Served, authenticate

PROMPT = "marked-prompt-5f2c"
ANSWER = "marked-answer-9b1d"
KEY = "sk-marked0key0of0nobody0at0all0000000000000000000000"
MESSAGES = [{"role": "user", "content": f"say {PROMPT}"}]


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.setLogRecordFactory(before[2])
    sys.excepthook, threading.excepthook = before[3], before[4]
    logging.captureWarnings(False)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    relay = FakeRelay(words=("Hello", ANSWER), flows=False)
    async with Served(tmp_path, relay=relay).running() as running:
        yield running


def listening(*, prompts: bool = False) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(LoggingSettings(level="DEBUG", prompts=prompts), "gateway", stream, replica="r-1")
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def everything_over_http(served: Served) -> None:
    """Answers that are kept, streamed, broken off by a defect; requests that are refused for each kind of reason."""
    async with served.http_client() as client:
        body = {"model": "demo", "messages": MESSAGES, "store": True, "metadata": {"note": PROMPT}}
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
        assert ANSWER in (await client.post("/v1/chat/completions", json=body | {"stream": True})).text
        assert PROMPT in (await client.get("/v1/chat/completions")).text, "it is in the store, by way of the database"
        for refused in ({"temperature": PROMPT}, {PROMPT: 1}, {"model": PROMPT}, {"messages": PROMPT}):
            assert (await client.post("/v1/chat/completions", json=body | refused)).status_code in (400, 404)
        assert (await client.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})).status_code == 401
        broken = await client.post("/v1/chat/completions", content=f'{{"messages": "{PROMPT}'.encode())
        assert broken.status_code in (400, 415)
        upload = {"file": ("x.jsonl", f'{{"messages": [{{"role": "user", "content": "{PROMPT}"}}]}}\n')}
        await client.post("/v1/files", files=upload, data={"purpose": "user_data"})
        served.relay.breaks = RuntimeError("a defect in the middle")
        await client.post("/v1/completions", json={"model": "demo", "prompt": PROMPT, "stream": True})
        served.relay.breaks = None


async def everything_over_grpc(served: Served) -> None:
    edge = GrpcEdge(served.inference, authenticate, lambda: True)
    server = build_server(edge, max_message_bytes=1 << 20)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = chat_pb2.CreateChatCompletionRequest(model="demo")
            request.messages.add(role=message_pb2.ROLE_USER, content=PROMPT)
            auth = (("authorization", "Bearer sk-acme"),)
            answer = await ChatServiceStub(channel).CreateChatCompletion(request, metadata=auth)
            assert answer.id
            request.model = PROMPT
            with pytest.raises(grpc.aio.AioRpcError):
                await ChatServiceStub(channel).CreateChatCompletion(request, metadata=auth)
    finally:
        await server.stop(0)


async def test_no_line_holds_a_prompt_or_an_answer_even_at_the_most_talkative_level(served: Served) -> None:
    stream = listening()
    await everything_over_http(served)
    await everything_over_grpc(served)
    written = stream.getvalue()
    assert len(lines(stream)) > 3, "something was logged at all"
    assert "a defect in the middle" in written, "the defect was, with its traceback"
    assert PROMPT not in written
    assert ANSWER not in written
    assert KEY not in written
    assert "sk-acme" not in written


async def test_lines_of_a_request_name_request_organization_and_replica(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = listening()
    served.relay.breaks = RuntimeError("a defect in the middle")
    async with served.http_client() as client:
        answer = await client.post("/v1/chat/completions", json={"model": "demo", "messages": MESSAGES, "stream": True})
    of_it = [line for line in lines(stream) if line.get("request_id") == answer.headers["x-request-id"]]
    assert of_it
    assert {(line.get("org_id"), line["replica"], line["component"]) for line in of_it} >= {(ACME.org_id, "r-1", "gateway")}


async def test_the_line_of_a_finished_request_leads_to_the_engine_s_lines(served: Served) -> None:
    stream = listening()
    async with served.http_client() as client:
        answer = await client.post("/v1/chat/completions", json={"model": "demo", "messages": MESSAGES})
    (line,) = (line for line in lines(stream) if line["logger"] == "cluster.inference.recorder")
    assert line["answer_id"] == answer.json()["id"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["org_id"], line["edge"]) == (ACME.org_id, "http")
    assert "engine_replica" in line


async def test_prompts_are_logged_where_that_is_switched_on_with_who_sent_them(served: Served) -> None:
    stream = listening(prompts=True)
    async with served.http_client() as client:
        answer = await client.post("/v1/chat/completions", json={"model": "demo", "messages": MESSAGES})
    await everything_over_grpc(served)
    first, second = (line for line in lines(stream) if line["logger"] == "ossature.prompts")
    assert PROMPT in str(first["prompt"])
    assert (first["request_id"], first["org_id"]) == (answer.headers["x-request-id"], ACME.org_id)
    assert PROMPT in str(second["prompt"])
    assert second["org_id"] == ACME.org_id
    assert str(second["request_id"]).startswith("req_")
    assert ANSWER not in stream.getvalue(), "answers are never logged"
