"""What engines and routing get to see of valid chat requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.config.settings.prompt_cache import Retention
from cluster.engine.contract import Operation
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from tests.unit.requests.samples import CALL, CLOCK, WEATHER, chat


def parse(body: dict[str, Any]) -> GenerationRequest:
    return ChatCompletionRequest.parse(json.dumps(body).encode())


def engine(body: dict[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(parse(body).engine_body())
    return form


def test_a_minimal_request_is_passed_on_with_nothing_added() -> None:
    request = parse(chat())
    assert (request.operation, request.model, request.stream, request.include_usage) == (Operation.CHAT, "demo", False, False)
    assert (request.prompt_cache_key, request.prompt_cache_retention, request.client_cache_salt) == (None, None, None)
    assert json.loads(request.engine_body()) == {
        "model": "demo",
        "stream": False,
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_null_means_not_set_for_every_optional_field() -> None:
    names = ["temperature", "top_p", "n", "stop", "tools", "tool_choice", "response_format", "seed", "logit_bias", "metadata"]
    names += ["max_tokens", "max_completion_tokens", "stream", "stream_options", "store", "user", "functions", "audio"]
    names += ["service_tier", "reasoning_effort", "modalities", "prediction", "prompt_cache_key", "cache_salt", "top_logprobs"]
    assert engine(chat(**dict.fromkeys(names))) == engine(chat())


def test_fields_that_only_the_gateway_acts_on_do_not_reach_the_engine() -> None:
    body = chat(
        cache_salt="mine",
        prompt_cache_key="app",
        prompt_cache_retention="24h",
        prompt_cache_options={"mode": "implicit", "ttl": "30m"},
        metadata={"a": "b"},
        user="u",
        safety_identifier="s",
        service_tier="flex",
        store=False,
        verbosity="low",
        modalities=["text"],
        prediction={"type": "content", "content": "Hi"},
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False, "continuous_usage_stats": True},
    )
    request = parse(body)
    assert engine(body) == engine(chat(stream=True))
    assert request.include_usage
    assert request.client_cache_salt == "mine"
    assert request.prompt_cache_key == "app"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("in_memory", Retention.IN_MEMORY), ("in-memory", Retention.IN_MEMORY), ("24h", Retention.EXTENDED), (None, None)],
)
def test_retention(given: str | None, meant: Retention | None) -> None:
    assert parse(chat(prompt_cache_retention=given)).prompt_cache_retention is meant


def test_sampling_arguments_reach_the_engine_as_they_are() -> None:
    arguments: dict[str, Any] = {
        "temperature": 0.25,
        "top_p": 1,
        "presence_penalty": -2,
        "frequency_penalty": 2,
        "n": 2,
        "seed": -(2**63),
        "logit_bias": {"7": -100, "8": 0.5},
        "logprobs": True,
        "top_logprobs": 20,
        "max_completion_tokens": 12,
        "top_k": 40,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "min_tokens": 1,
        "ignore_eos": True,
        "stop_token_ids": [5],
        "include_stop_str_in_output": True,
        "skip_special_tokens": False,
        "include_reasoning": False,
    }
    assert engine(chat(**arguments)) == engine(chat()) | arguments


def test_synonyms_have_one_form() -> None:
    assert engine(chat(max_tokens=9)) == engine(chat(max_completion_tokens=9))
    assert engine(chat(stop="x")) == engine(chat(stop=["x"]))
    assert engine(chat(response_format={"type": "text"})) == engine(chat())
    assert engine(chat({"role": "user", "content": [{"type": "text", "text": "Hello"}]})) == engine(chat())
    assert engine(chat(logprobs=True)) == engine(chat(logprobs=True, top_logprobs=0))
    assert engine(chat(logprobs=False)) == engine(chat())
    assert engine(chat(parallel_tool_calls=False)) == engine(chat())


@pytest.mark.parametrize(
    ("asked", "used"),
    [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "high"), ("max", "high")],
)
def test_reasoning_effort_is_one_of_the_models_three(asked: str, used: str) -> None:
    assert engine(chat(reasoning_effort=asked)) == engine(chat()) | {"reasoning_effort": used}


def test_no_reasoning_is_asked_of_templates_that_can_do_without() -> None:
    form = engine(chat(reasoning_effort="none", chat_template_kwargs={"custom": 1}))
    assert form["reasoning_effort"] == "low"
    assert form["chat_template_kwargs"] == {"custom": 1, "enable_thinking": False}


def test_tools_and_their_choice() -> None:
    form = engine(chat(tools=[WEATHER, CLOCK], parallel_tool_calls=False))
    assert (form["tools"], form["tool_choice"], form["parallel_tool_calls"]) == ([WEATHER, CLOCK], "auto", False)
    named = {"type": "function", "function": {"name": "get_time"}}
    assert engine(chat(tools=[WEATHER, CLOCK], tool_choice=named))["tool_choice"] == named
    assert engine(chat(tools=[CLOCK], tool_choice="required"))["tool_choice"] == "required"
    assert "tools" not in engine(chat(tool_choice="none"))


def test_allowed_tools_are_the_only_ones_that_the_engine_sees() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [CLOCK]}}
    form = engine(chat(tools=[WEATHER, CLOCK], tool_choice=choice))
    assert (form["tools"], form["tool_choice"]) == ([CLOCK], "required")


def test_strict_tools_and_schemas_keep_their_strictness_and_key_order() -> None:
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}, "required": ["z", "a"]}
    strict = {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": True}}
    response = {"type": "json_schema", "json_schema": {"name": "r", "description": "d", "schema": schema, "strict": True}}
    body = parse(chat(tools=[strict], response_format=response)).engine_body()
    assert json.loads(body)["tools"] == [strict]
    assert json.loads(body)["response_format"] == response
    assert body.count(b'"properties":{"z":{"type":"string"},"a":') == 2


def test_our_own_answer_can_be_appended_as_it_is() -> None:
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "reasoning": "Ask the tool.",
        "tool_calls": [{**CALL, "index": 0}],
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "°C"}]}
    assert engine(chat({"role": "user", "content": "Weather?"}, answer, result))["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "reasoning": "Ask the tool.", "tool_calls": [CALL]},
        {"role": "tool", "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "°C"}], "tool_call_id": "call_1"},
    ]


def test_refusals_are_what_the_assistant_said() -> None:
    parts = [{"type": "text", "text": "Well. "}, {"type": "refusal", "refusal": "No."}]
    messages = engine(chat({"role": "assistant", "refusal": "No."}, {"role": "assistant", "content": parts}))["messages"]
    assert messages[0] == {"role": "assistant", "content": "No."}
    assert messages[1]["content"] == [{"type": "text", "text": "Well. "}, {"type": "text", "text": "No."}]


def test_deprecated_function_messages_become_tool_messages() -> None:
    called = {"role": "assistant", "content": None, "function_call": CALL["function"]}
    result = {"role": "function", "name": "get_weather", "content": None}
    messages = engine(chat({"role": "user", "content": "Weather?"}, called, result))["messages"]
    assert messages[1]["tool_calls"] == [{**CALL, "id": "call_function_1"}]
    assert messages[2] == {"role": "tool", "content": "", "tool_call_id": "call_function_1"}


def test_names_and_developer_messages_are_kept() -> None:
    messages = [{"role": "developer", "content": "Be brief.", "name": "ops"}, {"role": "user", "content": "", "name": "Ann"}]
    assert engine(chat(*messages))["messages"] == messages


def test_a_mapping_gives_the_same_request_as_its_json() -> None:
    body = chat(tools=[WEATHER], reasoning_effort="high", stream=True)
    assert ChatCompletionRequest.parse(body) == ChatCompletionRequest.parse(json.dumps(body).encode())


def test_prompts_do_not_show_in_repr() -> None:
    assert "Hello" not in repr(parse(chat()))
