"""A stream put together is the answer that it would have been in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.completions.assemble import assembled
from tests.openai_schema import SchemaOracle

HEAD = {"id": "chatcmpl-1", "created": 7, "model": "m", "object": "chat.completion.chunk"}


def chunk(delta: dict[str, Any] | None, index: int = 0, **choice: Any) -> bytes:
    choices = [] if delta is None else [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **choice}]
    return json.dumps({**HEAD, "choices": choices}).encode()


def test_text_reasoning_and_reason_of_the_end_are_put_together() -> None:
    whole = assembled(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning": "Let me "}),
            chunk({"reasoning": "see."}),
            chunk({"content": "He"}),
            chunk({"content": "llo"}),
            chunk({}, finish_reason="length"),
            chunk(None),
        ]
    )
    message = {"role": "assistant", "content": "Hello", "refusal": None, "reasoning": "Let me see."}
    assert whole == {
        **HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}],
    }
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", whole) == []


def test_calls_are_put_together_by_their_place() -> None:
    def call(place: int, **fields: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": place, **fields}]}

    whole = assembled(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk(call(0, id="a", type="function", function={"name": "f", "arguments": ""})),
            chunk(call(0, function={"arguments": '{"x":'})),
            chunk(call(1, id="b", type="function", function={"name": "g", "arguments": "{}"})),
            chunk(call(0, function={"arguments": " 1}"})),
            chunk({}, finish_reason="tool_calls"),
        ]
    )
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert [(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in message["tool_calls"]] == [
        ("a", "f", '{"x": 1}'),
        ("b", "g", "{}"),
    ]
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", whole) == []


def test_choices_and_logprobs_are_kept_apart() -> None:
    def token(text: str) -> dict[str, Any]:
        return {"token": text, "logprob": -0.5, "bytes": [1], "top_logprobs": []}

    whole = assembled(
        [
            chunk({"content": "a"}, index=1, logprobs={"content": [token("a")]}),
            chunk({"content": "b"}, index=0, logprobs={"content": [token("b")]}),
            chunk({"content": "c"}, index=1, logprobs={"content": [token("c")]}, finish_reason="stop"),
            chunk({}, index=0, finish_reason="stop"),
        ]
    )
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["b", "ac"]
    tokens = [[token["token"] for token in choice["logprobs"]["content"]] for choice in whole["choices"]]
    assert tokens == [["b"], ["a", "c"]]
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", whole) == []


def test_no_chunk_is_no_answer() -> None:
    with pytest.raises(ValueError):
        assembled([])
