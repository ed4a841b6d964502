"""Both front ends of gpt-oss on one real engine: a greedy answer is the same answer through either."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from cluster.engine.vllm.engine import VllmEngine
from tests.integration.engine.asking import Answer, ask, make_request
from tests.integration.engine.test_answers import CHATS, MODEL, chat, tool

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="package")]

CALL_ID = re.compile(r"chatcmpl-tool-[0-9a-f]{16}")
BODIES: dict[str, dict[str, Any]] = {
    **{name: body for name, body in CHATS.items() if "logprobs" not in body and body.get("temperature", 0) == 0},
    "to its end": chat(max_completion_tokens=300),
    "order": chat("I want to order 2 apples.", tools=[tool(strict=True)], max_completion_tokens=300),
    "no reasoning": chat(include_reasoning=False, max_completion_tokens=300),
    "several choices": chat(n=3, max_completion_tokens=60),
    **{f"cut off after {count}": chat(max_completion_tokens=count) for count in (1, 2, 3, 5, 8)},
}


def told(answer: Answer) -> list[dict[str, Any]]:
    """What each choice says in all. How many tokens share a chunk depends on the moment, so chunks are joined."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in answer.payloads:
        (choice,) = chunk["choices"]
        said = choices.setdefault(choice["index"], {"content": "", "reasoning": "", "calls": [], "finish_reason": None})
        delta = choice["delta"]
        said["content"] += delta.get("content") or ""
        said["reasoning"] += delta.get("reasoning") or ""
        for call in delta.get("tool_calls", []):
            if "id" in call:
                assert CALL_ID.fullmatch(call["id"])
                said["calls"].append({"name": call["function"]["name"], "arguments": ""})
            said["calls"][call["index"]]["arguments"] += call["function"]["arguments"]
        assert said["finish_reason"] is None, "nothing follows the end"
        said["finish_reason"] = choice["finish_reason"]
    return [choices[index] for index in sorted(choices)]


async def through(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, front_end: str, body: dict[str, Any], salt: str) -> Answer:
    served: list[str] = []
    monkeypatch.setattr(engine, "_lean", front_end == "lean")
    monkeypatch.setattr(engine, "_on_stream", served.append)
    answer = await ask(engine, make_request(body, model=MODEL, stream=True, salt=f"{front_end} {salt}"))
    assert served == [front_end]
    return answer


@pytest.mark.parametrize("name", BODIES)
async def test_a_greedy_answer_is_the_same_through_both(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lean = await through(engine, monkeypatch, "lean", BODIES[name], name)
    vllm = await through(engine, monkeypatch, "vllm", BODIES[name], name)
    assert lean.fault == vllm.fault
    assert told(lean) == told(vllm)
    assert any(choice["content"] or choice["reasoning"] or choice["calls"] for choice in told(lean)) or "cut off" in name
    # How much of its prompt a choice finds cached depends on whether its siblings were a step ahead.
    lean_usage, vllm_usage = (msgspec.structs.replace(answer.usage, cached_tokens=0) for answer in (lean, vllm))
    assert lean_usage == vllm_usage


async def test_log_probabilities_go_through_vllms_front_end(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []
    monkeypatch.setattr(engine, "_on_stream", served.append)
    answer = await ask(engine, make_request(chat(logprobs=True, max_completion_tokens=4), model=MODEL, stream=True))
    assert served == ["vllm"]
    assert any(chunk["choices"][0]["logprobs"] for chunk in answer.payloads)


async def test_a_prompt_that_is_too_long_is_refused_alike(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = []
    for lean in (True, False):
        monkeypatch.setattr(engine, "_lean", lean)
        faults.append((await ask(engine, make_request(chat("word " * 5000), model=MODEL, stream=True))).fault)
    assert faults[0] == faults[1]
    assert faults[0] is not None
    assert faults[0].code == "context_length_exceeded"
