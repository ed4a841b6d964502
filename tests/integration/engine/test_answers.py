"""Answers of a real engine: every feature, streamed and whole, in OpenAI's shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai._models import validate_type
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from cluster.engine.vllm.engine import VllmEngine
from tests.integration.engine.asking import Answer, ask, make_request
from tests.openai_schema import SchemaOracle

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="package")]

MODEL = "gpt-oss-demo"
FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter"}


def chat(text: str = "Hello, who are you?", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_completion_tokens": 24} | fields


def tool(name: str = "place_order", *, strict: bool = False) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"express": {"type": "boolean"}},
        "required": ["express"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": "Order.", "parameters": parameters, "strict": strict}}


SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"yes": {"type": "boolean"}},
            "required": ["yes"],
            "additionalProperties": False,
        },
    },
}

CHATS: dict[str, dict[str, Any]] = {
    "plain": chat(),
    "system message": chat() | {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    "low effort": chat(reasoning_effort="low"),
    "high effort": chat(reasoning_effort="high"),
    "two choices": chat(n=2, temperature=1.0, seed=7),
    "stop": chat(stop=["a", "e"]),
    "log probabilities": chat(logprobs=True, top_logprobs=2, max_completion_tokens=6),
    "log probabilities alone": chat(logprobs=True, max_completion_tokens=6),
    "tools": chat("I want to order 2 apples.", tools=[tool()]),
    "strict tools": chat("I want to order 2 apples.", tools=[tool(strict=True)]),
    "tool required": chat(
        "I want to order 3 coffee.", tools=[tool(strict=True)], tool_choice="required", max_completion_tokens=150
    ),
    "tool named": chat(
        "I want to order 3 coffee.",
        tools=[tool("other"), tool(strict=True)],
        tool_choice={"type": "function", "function": {"name": "place_order"}},
        max_completion_tokens=150,
    ),
    "tool none": chat("Order.", tools=[tool()], tool_choice="none"),
    "json object": chat("JSON please", response_format={"type": "json_object"}),
    "json schema": chat("Yes or no?", response_format=SCHEMA),
    "text format": chat(response_format={"type": "text"}),
    "tool result": chat()
    | {
        "messages": [
            {"role": "user", "content": "Order."},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "place_order", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ],
        "tools": [tool()],
    },
    "what only the gateway knows": chat(
        metadata={"a": "b"},
        store=True,
        service_tier="auto",
        safety_identifier="s",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        user="u",
        modalities=["text"],
    ),
}

COMPLETIONS: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "The quick brown", "max_tokens": 8},
    "several prompts": {"prompt": ["The quick", "A slow"], "max_tokens": 4},
    "tokens as prompt": {"prompt": [1000, 2000, 3000], "max_tokens": 4},
    "log probabilities": {"prompt": "The quick", "max_tokens": 4, "logprobs": 2},
    "echo": {"prompt": "The quick brown", "max_tokens": 4, "echo": True},
    "echo with log probabilities": {"prompt": "The quick brown", "max_tokens": 4, "echo": True, "logprobs": 1},
    "two choices": {"prompt": "The quick", "max_tokens": 4, "n": 2, "temperature": 1.0, "seed": 3},
    "stop": {"prompt": "The quick", "max_tokens": 8, "stop": "e"},
}


UNSURE: dict[str, Any] = {"prompt": "The quick", "max_tokens": 16, "temperature": 2.0, "ignore_eos": True}
"""Text that no model would be sure about, so that samples differ."""


async def run(engine: VllmEngine, body: dict[str, Any], *, stream: bool = False, salt: str = "answers") -> Answer:
    return await ask(engine, make_request(body, model=MODEL, stream=stream, salt=salt))


def assert_identity(answer: Answer) -> None:
    assert {body["id"] for body in answer.payloads} == {answer.request_id}
    assert len({body["created"] for body in answer.payloads}) == 1
    assert all("usage" not in body for body in answer.payloads), "usage travels apart"


def assert_counts(answer: Answer, body: dict[str, Any]) -> None:
    asked = body.get("max_completion_tokens") or body["max_tokens"]
    sequences = body.get("n", 1) * (
        len(body["prompt"]) if isinstance(body.get("prompt"), list) and isinstance(body["prompt"][0], str) else 1
    )
    assert answer.usage.prompt_tokens > 0
    assert 0 < answer.usage.completion_tokens <= asked * sequences
    assert answer.usage.reasoning_tokens <= answer.usage.completion_tokens
    assert 0 <= answer.timing.queue_s < 60
    assert 0 < answer.timing.prefill_s < 60


@pytest.mark.parametrize("name", CHATS)
async def test_whole_chat_answers_are_openais(engine: VllmEngine, name: str) -> None:
    answer = await run(engine, CHATS[name])
    assert answer.fault is None
    (body,) = answer.payloads
    validate_type(type_=ChatCompletion, value=body)
    assert SchemaOracle.load().problems("CreateChatCompletionResponse", body) == []
    assert {choice["finish_reason"] for choice in body["choices"]} <= FINISH_REASONS
    assert_identity(answer)
    assert_counts(answer, CHATS[name])


@pytest.mark.parametrize("name", CHATS)
async def test_streamed_chat_answers_are_openais_and_equal_the_whole_ones(engine: VllmEngine, name: str) -> None:
    answer = await run(engine, CHATS[name], stream=True)
    assert answer.fault is None
    oracle = SchemaOracle.load()
    for chunk in answer.payloads:
        validate_type(type_=ChatCompletionChunk, value=chunk)
        assert oracle.problems("CreateChatCompletionStreamResponse", chunk) == []
    assert answer.payloads[0]["choices"][0]["delta"]["role"] == "assistant"
    endings = [choice["finish_reason"] for chunk in answer.payloads for choice in chunk["choices"] if choice["finish_reason"]]
    assert len(endings) == CHATS[name].get("n", 1)
    assert set(endings) <= FINISH_REASONS
    assert_identity(answer)
    assert_counts(answer, CHATS[name])
    whole = await run(engine, CHATS[name])
    assert answer.usage.completion_tokens == whole.usage.completion_tokens
    for index in range(CHATS[name].get("n", 1)):
        assert answer.text(index) == whole.text(index)


@pytest.mark.parametrize("name", COMPLETIONS)
async def test_whole_text_completions_are_openais(engine: VllmEngine, name: str) -> None:
    answer = await run(engine, COMPLETIONS[name])
    assert answer.fault is None
    (body,) = answer.payloads
    validate_type(type_=Completion, value=body)
    assert SchemaOracle.load().problems("CreateCompletionResponse", body) == []
    assert_identity(answer)
    assert_counts(answer, COMPLETIONS[name])


@pytest.mark.parametrize("name", COMPLETIONS)
async def test_streamed_text_completions_equal_the_whole_ones(engine: VllmEngine, name: str) -> None:
    answer = await run(engine, COMPLETIONS[name], stream=True)
    assert answer.fault is None
    for chunk in answer.payloads:
        # OpenAI's schema has no chunk of its own here and wants a reason in each; like OpenAI itself we send null before the end.
        ended = chunk | {"choices": [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]}
        validate_type(type_=Completion, value=ended)
        assert SchemaOracle.load().problems("CreateCompletionResponse", ended) == []
    assert_identity(answer)
    assert_counts(answer, COMPLETIONS[name])
    whole = await run(engine, COMPLETIONS[name])
    (body,) = whole.payloads
    assert [answer.text(index) for index in range(len(body["choices"]))] == [choice["text"] for choice in body["choices"]]


async def test_n_gives_as_many_different_choices(engine: VllmEngine) -> None:
    answer = await run(engine, UNSURE | {"n": 2, "seed": 7})
    assert answer.text(0) != answer.text(1)


async def test_several_greedy_choices_are_all_the_greedy_one(engine: VllmEngine) -> None:
    alone = await run(engine, chat(max_completion_tokens=8))
    three = await run(engine, chat(max_completion_tokens=8, n=3))
    assert [three.text(index) for index in range(3)] == [alone.text()] * 3


async def test_a_seed_repeats_an_answer_and_another_one_does_not(engine: VllmEngine) -> None:
    first, again, other = [await run(engine, UNSURE | {"seed": seed}) for seed in (1, 1, 2)]
    assert first.text() == again.text()
    assert first.text() != other.text()


async def test_log_probabilities_belong_to_each_token(engine: VllmEngine) -> None:
    answer = await run(engine, CHATS["log probabilities"])
    entries = answer.choice()["logprobs"]["content"]
    assert len(entries) == answer.usage.completion_tokens
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] <= 0 for entry in entries)


@pytest.mark.parametrize("name", ["tool required", "tool named"])
async def test_a_demanded_strict_tool_is_called_with_arguments_of_its_schema(engine: VllmEngine, name: str) -> None:
    answer = await run(engine, CHATS[name])
    (call,) = answer.choice()["message"]["tool_calls"]
    assert call["function"]["name"] == "place_order"
    assert list(json.loads(call["function"]["arguments"])) == ["express"]


async def test_without_tool_choice_no_tool_is_called(engine: VllmEngine) -> None:
    assert "tool_calls" not in (await run(engine, CHATS["tool none"])).choice()["message"]


async def test_json_schema_binds_the_content(engine: VllmEngine) -> None:
    answer = await run(engine, chat("Answer yes or no.", response_format=SCHEMA, max_completion_tokens=400))
    assert answer.choice()["finish_reason"] == "stop"
    assert list(json.loads(answer.choice()["message"]["content"])) == ["yes"]


async def test_an_echo_repeats_the_prompt(engine: VllmEngine) -> None:
    assert (await run(engine, COMPLETIONS["echo"])).text().startswith("The quick brown")


async def test_several_prompts_are_counted_together(engine: VllmEngine) -> None:
    both = await run(engine, COMPLETIONS["several prompts"])
    alone = [await run(engine, {"prompt": prompt, "max_tokens": 4}) for prompt in ("The quick", "A slow")]
    assert both.usage.prompt_tokens == sum(answer.usage.prompt_tokens for answer in alone)
