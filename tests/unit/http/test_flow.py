"""Answers whose pieces are written in the turn in which they come."""

from __future__ import annotations

import asyncio
import json

import pytest
from openai import AsyncOpenAI
from starlette.types import Message

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.exchange import ClientGone, Exchange
from tests.unit.fake_inference import FakeStream, chat_chunk
from tests.unit.http.conftest import Edge
from tests.unit.http.test_disconnect import never

STREAMING = {"model": "demo", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


class FakeClient:
    """The ASGI server's side of a client that takes something only while it is ``willing``."""

    def __init__(self) -> None:
        self.willing = asyncio.Event()
        self.willing.set()
        self.taken: list[bytes] = []
        self.lost = False

    async def send(self, message: Message) -> None:
        await self.willing.wait()
        if self.lost:
            raise OSError("the client is gone")
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        self.taken.append(body)


def exchange(client: FakeClient, write_timeout_s: float = 1.0) -> Exchange:
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    return Exchange(scope, never, client.send, write_timeout_s)


async def test_a_willing_client_has_the_piece_before_anything_is_awaited() -> None:
    answering = exchange(client := FakeClient())
    assert answering.write_through(b"a")
    assert answering.write_through(b"b")
    assert client.taken == [b"a", b"b"]


async def test_a_client_that_takes_nothing_holds_one_piece_and_gets_the_others_in_order() -> None:
    answering = exchange(client := FakeClient())
    client.willing.clear()
    assert answering.write_through(b"a")
    assert not answering.write_through(b"b")
    sending = asyncio.create_task(answering.send_body(b"b", last=False))
    await asyncio.sleep(0)
    assert not answering.write_through(b"c"), "it would overtake"
    client.willing.set()
    await sending
    assert answering.write_through(b"c")
    assert client.taken == [b"a", b"b", b"c"]


async def test_a_client_that_takes_nothing_for_too_long_is_given_up() -> None:
    answering = exchange(client := FakeClient(), write_timeout_s=0.05)
    client.willing.clear()
    assert answering.write_through(b"a")
    with pytest.raises(ClientGone):
        await answering.send_body(b"b", last=False)


async def test_a_write_that_fails_takes_nothing_and_shows_where_it_is_awaited() -> None:
    answering = exchange(client := FakeClient())
    client.lost = True
    assert not answering.write_through(b"a")
    with pytest.raises(ClientGone):
        await answering.send_body(b"a", last=False)


async def test_a_stream_flows_past_its_task_and_arrives_whole(edge: Edge) -> None:
    words = [f"word{number} " for number in range(50)]
    edge.inference.answer_stream = stream = FakeStream([[chat_chunk(word)] for word in words], pause_s=0.001)
    response = await edge.post("/v1/chat/completions", STREAMING)
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    assert [json.loads(event)["choices"][0]["delta"]["content"] for event in events] == words
    assert stream.flowed == len(words) - 1, "the first piece is what the status waits for"


async def test_a_silent_stream_is_kept_alive_by_comments_that_clients_skip() -> None:
    async with Edge(settings=HttpSettings(keep_alive_s=0.05)).served() as edge:
        edge.inference.answer_stream = FakeStream([[chat_chunk("a")], [chat_chunk("b")]], pause_s=0.3)
        response = await edge.post("/v1/chat/completions", STREAMING)
        assert response.text.count(": keep-alive\n\n") >= 2
        edge.inference.answer_stream = FakeStream([[chat_chunk("a")], [chat_chunk("b")]], pause_s=0.3)
        async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="sk-acme", max_retries=0) as client:
            chunks = await client.chat.completions.create(model="demo", stream=True, messages=[{"role": "user", "content": "Hi"}])
            assert [chunk.choices[0].delta.content async for chunk in chunks] == ["a", "b"]
