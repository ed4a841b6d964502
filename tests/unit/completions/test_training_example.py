"""What becomes an example, what does not, and why."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.completions.capture import DROPPED_IMAGES, drop_large_images
from cluster.completions.training_example import LeftOut, training_example
from tests.openai_schema import SchemaOracle

USER = {"role": "user", "content": "Hi"}


def call(arguments: str = "{}", call_id: str = "c1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def answer(content: str | None = "Hello", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content, **message}}]
    }


def request(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or (USER,)), **fields}


def test_an_example_is_the_prompt_and_the_answer_alone() -> None:
    example = training_example(request(temperature=0.5, user="u"), answer(reasoning="hm", refusal=None))
    assert example == {"messages": [USER, {"role": "assistant", "content": "Hello"}]}


def test_answers_in_the_prompt_are_not_learned_from() -> None:
    example = training_example(request(USER, {"role": "assistant", "content": "Yes?", "reasoning": "hm"}, USER), answer())
    assert isinstance(example, dict)
    assert example["messages"][1] == {"role": "assistant", "content": "Yes?", "weight": 0}
    assert "weight" not in example["messages"][-1]


def test_tools_and_their_results_are_kept_as_the_training_format_has_them() -> None:
    prompt = request(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [{**call(), "index": 0}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice="auto",
    )
    example = training_example(prompt, answer(None, "tool_calls", tool_calls=[{**call('{"a": 1}', "c2"), "index": 0}]))
    assert isinstance(example, dict)
    assert example["messages"][1] == {"role": "assistant", "tool_calls": [call()], "weight": 0}
    assert example["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "42"}
    assert example["messages"][3] == {"role": "assistant", "tool_calls": [call('{"a": 1}', "c2")]}
    assert example["tools"] == prompt["tools"]
    for message in (example["messages"][1], example["messages"][3]):
        assert SchemaOracle.load().problems("FineTuneChatCompletionRequestAssistantMessage", message) == []


def test_images_are_kept() -> None:
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    example = training_example(request({"role": "user", "content": parts}), answer())
    assert isinstance(example, dict)
    assert example["messages"][0]["content"] == parts


@pytest.mark.parametrize(
    ("asked", "given", "reason"),
    [
        (request(), answer(None), LeftOut.NO_ANSWER),
        (request(), answer(""), LeftOut.NO_ANSWER),
        (request(), answer(None, refusal="No."), LeftOut.REFUSED),
        (request(), answer("Hel", "length"), LeftOut.CUT_OFF),
        (request(), answer("Hel", "content_filter"), LeftOut.FILTERED),
        (request(), answer(None, "tool_calls", tool_calls=[call("{")]), LeftOut.INVALID_TOOL_ARGUMENTS),
        (request(), answer(None, "tool_calls", tool_calls=[call("[]")]), LeftOut.INVALID_TOOL_ARGUMENTS),
        (request(USER, {"role": "assistant", "tool_calls": [call()]}, USER), answer(), LeftOut.UNANSWERED_TOOL_CALL),
        (request(USER, {"role": "assistant", "tool_calls": [call()]}), answer(), LeftOut.UNANSWERED_TOOL_CALL),
        (request({"role": "user", "content": [{"type": "input_audio"}]}), answer(), LeftOut.UNSUPPORTED_CONTENT),
        (request({"role": "user", "content": [{"type": "file"}]}), answer(), LeftOut.UNSUPPORTED_CONTENT),
        (request(**{DROPPED_IMAGES: 1}), answer(), LeftOut.IMAGE_DROPPED),
    ],
)
def test_what_nobody_should_learn_from_is_left_out(asked: dict[str, Any], given: dict[str, Any], reason: LeftOut) -> None:
    assert training_example(asked, given) is reason


def test_only_images_over_the_limit_are_dropped_and_counted() -> None:
    small = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100}}
    large = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2000}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/" + "x" * 3000}}
    asked = request({"role": "user", "content": [small, large, linked]}, USER)
    before = asked["messages"][0]
    assert drop_large_images(asked, 1000) == 1
    assert asked["messages"] == [{"role": "user", "content": [small, linked]}, USER]
    assert before["content"] == [small, large, linked], "the caller's own object was changed"
