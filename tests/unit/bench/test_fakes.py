"""Fake engines answer in the shape and at the pace that were asked for."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from bench.fakes import slowness
from bench.fakes.answer import Answer
from bench.fakes.cache import BLOCK_BYTES, MAX_BLOCKS, PrefixCache
from bench.fakes.engine import FakeEngine, _Steps
from bench.fakes.profile import Profile
from bench.fakes.steps import StepClock
from bench.live.phases import chat_body
from cluster.engine.contract import EngineRequest, Frame, Operation
from tests.openai_schema import SchemaOracle


def request(profile: Profile, *, stream: bool = True) -> EngineRequest:
    return EngineRequest("chatcmpl-1", Operation.CHAT, chat_body("bench", profile.text), stream, "salt", "org")


async def frames(profile: Profile, *, stream: bool = True) -> list[Frame]:
    engine = FakeEngine("bench")
    await engine.start()
    return [frame async for frame in engine.generate(request(profile, stream=stream))]


@pytest.mark.parametrize("tokens", [1, 2, 30])
async def test_a_stream_has_a_frame_a_token_and_its_usage_last(tokens: int) -> None:
    got = await frames(Profile(0, 1_000, tokens))
    assert len(got) == tokens + 1
    assert got[-1].usage is not None
    assert got[-1].usage.completion_tokens == tokens
    chunks = [json.loads(payload) for frame in got for payload in frame.payloads]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (tokens + 1) + ["stop"]


async def test_reasoning_comes_before_content() -> None:
    payloads = [payload for frame in await frames(Profile(0, 1_000, 9)) for payload in frame.payloads]
    kinds = ["reasoning" if b'"reasoning"' in payload else "content" for payload in payloads[1:-1]]
    assert kinds == ["reasoning"] * 3 + ["content"] * 6


async def test_a_whole_answer_is_one_frame() -> None:
    (frame,) = await frames(Profile(0, 1_000, 5), stream=False)
    assert frame.usage is not None
    assert json.loads(frame.payloads[0])["object"] == "chat.completion"


@pytest.mark.parametrize("tokens", [1, 7])
def test_answers_have_the_shape_of_the_api(tokens: int) -> None:
    answer, oracle = Answer("chatcmpl-1", "bench", tokens), SchemaOracle.load()
    for payload in [*(payload for batch in answer.payloads() for payload in batch), answer.usage(12)]:
        assert oracle.problems("CreateChatCompletionStreamResponse", json.loads(payload)) == []
    assert json.loads(answer.usage(12))["usage"]["total_tokens"] == 12 + tokens
    assert oracle.problems("CreateChatCompletionResponse", json.loads(answer.whole(12))) == []


async def test_members_of_a_clock_step_together_and_leave_when_they_have_ended() -> None:
    loop = asyncio.get_running_loop()
    clock = StepClock(loop, 2_000)
    steps: list[tuple[str, float]] = []
    done = asyncio.Event()

    def member(name: str, left: int) -> None:
        def step() -> bool:
            nonlocal left
            left -= 1
            steps.append((name, loop.time()))
            if name == "long" and left == 0:
                done.set()
            return left > 0

        clock.add(step)

    began_s = loop.time()
    member("short", 2)
    member("long", 4)
    await asyncio.wait_for(done.wait(), 5)
    assert [name for name, _ in steps] == ["short", "long", "short", "long", "long", "long"]
    assert steps[1][1] - steps[0][1] < 0.002
    assert steps[-1][1] - began_s >= 0.0079  # four steps of 2 ms, however late one of them was


async def test_an_engine_that_is_slowed_takes_as_many_times_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(slowness.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(slowness, "LOOK_S", 0.0)
    made = slowness.Slowness()
    assert made.factor == 1
    file = tmp_path / str(os.getpid())
    file.write_text("3")
    assert made.factor == 3
    steps = _Steps(Answer("id", "model", 4), made)
    turns = 1
    while steps.step():
        turns += 1
    assert steps._ready.qsize() == 4
    assert turns >= 3 * 3  # the first comes at once
    file.unlink()
    assert made.factor == 1


def test_no_engine_is_slow_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(slowness.FOLDER_VARIABLE, raising=False)
    assert slowness.Slowness().factor == 1


def test_a_fake_engine_has_the_blocks_of_what_it_was_asked() -> None:
    cache = PrefixCache()
    shared, first, second = b"s" * 3 * BLOCK_BYTES, b"1" * BLOCK_BYTES, b"2" * BLOCK_BYTES
    assert cache.take(shared + first) == 0
    assert cache.take(shared + second) == 3 * BLOCK_BYTES
    assert cache.take(shared + first + b"and part of a block") == 4 * BLOCK_BYTES
    assert cache.take(b"x" + shared) == 0


def test_blocks_that_were_not_asked_for_longest_are_forgotten() -> None:
    cache = PrefixCache()
    for number in range(MAX_BLOCKS + 1):
        cache.take(b"%08d" % number * (BLOCK_BYTES // 8))
    assert cache.take(b"%08d" % 0 * (BLOCK_BYTES // 8)) == 0
    assert cache.take(b"%08d" % MAX_BLOCKS * (BLOCK_BYTES // 8)) == BLOCK_BYTES
