"""What the load generator makes of bytes, however the network cuts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.fakes.profile import Profile
from bench.live.phases import chat_body
from bench.load import Client, Outcome, Target, closed_loop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
USAGE = b'{"choices":[],"usage":{"prompt_tokens":2048,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":1920}}}'


def event(payload: bytes) -> bytes:
    data = b"data: %b\n\n" % payload
    return b"%x\r\n%b\r\n" % (len(data), data)


ANSWER = HEAD + event(b'{"a":1}') + event(b'{"a":2}') + event(b'{"a":3}') + event(USAGE) + event(b"[DONE]") + b"0\r\n\r\n"


@asynccontextmanager
async def server(*pieces: bytes, close: bool = False) -> AsyncIterator[Target]:
    """Answers each request with these pieces, each in a packet of its own."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(2)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.002)
            if close:
                writer.close()
                return

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield Target(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    finally:
        listening.close()


async def ask(target: Target, timeout_s: float = 5.0) -> Outcome:
    outcome = Outcome()
    client = Client(target, timeout_s)
    await client.send(target.request(b"{}"), outcome)
    client.close()
    return outcome


@pytest.mark.parametrize("size", [1, 3, 7, 50, 10_000])
async def test_events_and_usage_are_counted_however_the_bytes_are_cut(size: int) -> None:
    pieces = [ANSWER[start : start + size] for start in range(0, len(ANSWER), size)]
    async with server(*pieces) as target:
        outcome = await ask(target)
    (sample,) = outcome.samples
    assert sample.events == 4
    assert (sample.prompt_tokens, sample.completion_tokens, sample.cached_tokens) == (2048, 3, 1920)
    assert sample.sent_s < sample.first_s <= sample.end_s


async def test_the_first_byte_is_the_first_event_and_not_the_head() -> None:
    async with server(HEAD, b"", *[b""] * 20, ANSWER.removeprefix(HEAD)) as target:
        (sample,) = (await ask(target)).samples
    assert sample.ttft_s > 0.04


async def test_a_refusal_is_a_failure_that_says_why() -> None:
    async with server(b'HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\n\r\n{"no": 1}') as target:
        outcome = await ask(target)
    assert outcome.samples == []
    assert "429" in outcome.failures[0]
    assert "no" in outcome.failures[0]


async def test_an_answer_that_breaks_off_is_a_failure() -> None:
    async with server(ANSWER[:-40], close=True) as target:
        outcome = await ask(target)
    assert outcome.samples == []
    assert "closed before the end" in outcome.failures[0]


async def test_an_answer_that_never_ends_is_a_failure() -> None:
    async with server(ANSWER[:-5]) as target:
        outcome = await ask(target, timeout_s=0.3)
    assert outcome.failures[0].startswith("TimeoutError")


async def test_a_closed_loop_sends_as_many_as_asked_for_and_its_warm_up_besides() -> None:
    started: list[bool] = []
    async with server(ANSWER) as target:
        outcome = await closed_loop(
            target, lambda _: b"{}", in_flight=3, requests=10, warm_up=b"{}", on_start=lambda: started.append(True)
        )
    assert len(outcome.samples) == 10
    assert outcome.tokens == 30
    assert started == [True]


@pytest.mark.parametrize("profile", [Profile(), Profile(0, 1, 1), Profile(20_000, 10_000, 300)])
def test_a_profile_is_found_in_the_request_that_carries_it(profile: Profile) -> None:
    assert Profile.find(chat_body("bench", f"{profile.text} and more")) == profile


def test_a_request_without_a_profile_gets_the_default() -> None:
    assert Profile.find(b"{}") == Profile()
