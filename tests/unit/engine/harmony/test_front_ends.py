"""The lean front end against vLLM's own: the same tokens must become the same bytes, whatever the model wrote."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any

import pytest

from cluster.engine.contract import EngineUsage, Fault, FaultKind, Frame
from tests.unit.engine.harmony.fake_engine import FakeEngine, Gathering, request_of
from tests.unit.engine.harmony.scripts import KINDS, Script, Step, make_script, tokens

#: Loads vLLM.
pytestmark = pytest.mark.slow

SCRIPTS = 2100
GROUP = 150
CALL_ID = re.compile(rb"chatcmpl-tool-[0-9a-f]{16}")
CREATED = re.compile(rb'"created":\d+')


@pytest.fixture(scope="module")
def engines() -> tuple[FakeEngine, FakeEngine]:
    """vLLM's front end and ours."""
    return FakeEngine(lean=False), FakeEngine(lean=True)


Seen = tuple[list[bytes], EngineUsage | None, Fault | None]


def seen(frames: list[Frame]) -> Seen:
    """What a client gets. Call ids are random, so they are numbered; the times may be a second apart."""
    names: dict[bytes, bytes] = {}
    payloads = []
    for frame in frames:
        for payload in frame.payloads:
            named = CALL_ID.sub(lambda found: names.setdefault(found.group(), b"call-%d" % len(names)), payload)
            payloads.append(CREATED.sub(b'"created":0', named))
    assert all(not frame.last for frame in frames[:-1])
    return payloads, frames[-1].usage, frames[-1].fault


FEATURES = {
    *(kind.__name__ for kind in KINDS),
    *("role", "content", "reasoning", "tool_calls", "mixed", "a character of several tokens", "fault", "reasoning tokens"),
    *("finish stop", "finish length", "finish tool_calls", "several choices", "second call", "hidden reasoning", "one call only"),
}


def features(script: Script, answer: Seen) -> set[str]:
    """What a script and its answer show of what there is to show."""
    payloads, usage, fault = answer
    found = set(script.kinds) | ({"fault"} if fault else set())
    if usage is not None and usage.reasoning_tokens:
        found.add("reasoning tokens")
    if script.body["include_reasoning"] is False:
        found.add("hidden reasoning")
    if script.body["parallel_tool_calls"] is False:
        found.add("one call only")
    for payload in payloads:
        (choice,) = json.loads(payload)["choices"]
        delta = choice["delta"]
        found |= delta.keys()
        if len(delta) > 1 and "role" not in delta:
            found.add("mixed")
        if "👩" in str(delta) or "🇩" in str(delta):
            found.add("a character of several tokens")
        if choice["index"]:
            found.add("several choices")
        if any(call["index"] for call in delta.get("tool_calls", [])):
            found.add("second call")
        found.add(f"finish {choice['finish_reason']}")
    return found


@pytest.mark.parametrize("group", range(SCRIPTS // GROUP))
async def test_both_front_ends_write_the_same_bytes(engines: tuple[FakeEngine, FakeEngine], group: int) -> None:
    theirs, ours = engines
    told: Counter[str] = Counter()
    direct = 0
    for seed in range(group * GROUP, (group + 1) * GROUP):
        script = make_script(seed)
        expected, found = seen(await theirs.play(script)), seen(await ours.play(script))
        assert found == expected, f"seed {seed}: {script}"
        sink = Gathering(every=seed % 4)
        assert seen(await ours.play(script, sink=sink)) == expected, f"seed {seed}, the short way: {script}"
        direct += sink.direct
        told.update(features(script, found))
    assert set(theirs.streams) == {"vllm"}
    assert set(ours.streams) == {"lean"}
    assert direct > GROUP, "the short way was hardly taken"
    assert told.keys() >= FEATURES, "the scripts have become too tame to prove anything"


async def body_events(engine: FakeEngine, script: Script, **body: object) -> Seen:
    return seen(await engine.play(Script(script.kinds, script.body | body, script.outputs)))


def said(*texts: str, finish_reason: str = "stop") -> Script:
    """An answer that comes token by token, in one choice."""
    ids = [token for text in texts for token in tokens(text)]
    outputs = [[Step(0, [token])] for token in ids[:-1]] + [[Step(0, ids[-1:], finish_reason)]]
    return Script(("orderly",), {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, outputs)


ANSWER = said("<|channel|>analysis<|message|>Hm<|end|>", "<|start|>assistant<|channel|>final<|message|>Hello there<|return|>")


async def test_a_plain_answer_reads_as_openais_chunks(engines: tuple[FakeEngine, FakeEngine]) -> None:
    payloads, usage, fault = seen(await engines[1].play(ANSWER, "chatcmpl-7"))
    assert fault is None
    assert usage == EngineUsage(prompt_tokens=3, completion_tokens=13, cached_tokens=2, reasoning_tokens=1)
    chunks = [json.loads(payload) for payload in payloads]
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {("chatcmpl-7", "chat.completion.chunk", "m")}
    assert [(chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]) for chunk in chunks] == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"reasoning": "Hm"}, None),
        ({"content": "Hello"}, None),
        ({"content": " there"}, None),
        ({}, "stop"),
    ]


async def test_one_frame_holds_what_one_engine_output_brought(engines: tuple[FakeEngine, FakeEngine]) -> None:
    frames = await engines[1].play(ANSWER)
    assert [len(frame.payloads) for frame in frames] == [1, 1, 1, 1, 1, 0]


async def test_a_sink_gets_what_is_neither_first_nor_last(engines: tuple[FakeEngine, FakeEngine]) -> None:
    sink = Gathering()
    frames = await engines[1].play(ANSWER, sink=sink)
    assert [len(frame.payloads) for frame in frames] == [1, 1, 1, 1, 1, 0]
    assert sink.direct == 3
    assert frames[-1].usage == EngineUsage(prompt_tokens=3, completion_tokens=13, cached_tokens=2, reasoning_tokens=1)


async def test_nothing_overtakes_what_a_slow_reader_has_not_taken(engines: tuple[FakeEngine, FakeEngine]) -> None:
    """The reader holds the first frame while the engine goes on: what comes meanwhile is merged, and comes after it."""
    engine = engines[1]
    engine.client.script = ANSWER
    sink = Gathering()
    async for frame in engine.generate(request_of(ANSWER), sink):
        sink.frames.append(frame)
        if len(sink.frames) == 1:
            await asyncio.sleep(0.05)
            assert sink.direct == 0
    told = deltas([payload for frame in sink.frames for payload in frame.payloads])
    assert "".join(delta.get("reasoning") or "" for delta in told) == "Hm"
    assert "".join(delta.get("content") or "" for delta in told) == "Hello there"
    assert len(sink.frames) == 3


async def test_a_sink_that_fails_ends_its_own_stream_with_a_fault(engines: tuple[FakeEngine, FakeEngine]) -> None:
    class Broken(Gathering):
        def put(self, payloads: list[bytes]) -> None:
            raise RuntimeError("a defect")

    frames = await engines[1].play(ANSWER, sink=Broken())
    assert frames[-1].fault is not None
    assert frames[-1].fault.kind is FaultKind.INTERNAL
    again = await engines[1].play(ANSWER, sink=Gathering())
    assert again[-1].fault is None


async def test_a_tool_call_begins_with_id_and_name_and_goes_on_with_arguments(engines: tuple[FakeEngine, FakeEngine]) -> None:
    call = said('<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":1}<|call|>')
    payloads = [payload for frame in await engines[1].play(call) for payload in frame.payloads]
    first, *rest = [delta["tool_calls"][0] for delta in deltas(payloads) if "tool_calls" in delta]
    assert re.fullmatch(CALL_ID.pattern.decode(), first.pop("id"))
    assert first == {"type": "function", "index": 0, "function": {"name": "f", "arguments": ""}}
    assert all(piece.keys() == {"index", "function"} for piece in rest)
    assert "".join(piece["function"]["arguments"] for piece in rest) == '{"a":1}'
    assert json.loads(payloads[-1])["choices"][0]["finish_reason"] == "tool_calls"


async def test_an_answer_cut_off_in_a_header_shows_what_was_written_as_vllm_does(engines: tuple[FakeEngine, FakeEngine]) -> None:
    cut = said("<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>fin", finish_reason="length")
    ours, theirs = [seen(await engine.play(cut)) for engine in reversed(engines)]
    assert ours == theirs
    assert deltas(ours[0])[-1] == {"content": "<|start|>assistant<|channel|>fin"}


@pytest.mark.parametrize(("stop", "detokenized"), [(None, False), (["x"], True)])
async def test_the_engine_spells_tokens_only_where_stop_strings_are_looked_for(
    engines: tuple[FakeEngine, FakeEngine], stop: list[str] | None, detokenized: bool
) -> None:
    theirs, ours = engines
    for engine, expected in ((theirs, True), (ours, detokenized)):
        await body_events(engine, ANSWER, stop=stop)
        assert engine.client.params.detokenize is expected
        assert engine.client.params.stop == (stop or [])


def deltas(payloads: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(payload)["choices"][0]["delta"] for payload in payloads]
