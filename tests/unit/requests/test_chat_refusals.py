from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.errors import InvalidRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import RequestLimits
from tests.unit.requests.samples import CALL, CLOCK, WEATHER, chat

USER = {"role": "user", "content": "Hi"}
ASSISTANT_CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def user(content: object) -> dict[str, Any]:
    return chat({"role": "user", "content": content})


def tool(**function: object) -> dict[str, Any]:
    return chat(tools=[{"type": "function", "function": function}])


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in chat().items() if key != name}


def json_schema(**schema: object) -> dict[str, Any]:
    return chat(response_format={"type": "json_schema", "json_schema": schema})


CASES: list[tuple[dict[str, Any], str, str]] = [
    # what is asked of which model
    (without("model"), "model", "missing_required_parameter"),
    (without("messages"), "messages", "missing_required_parameter"),
    (chat(model=3), "model", "invalid_type"),
    (chat(model=None), "model", "invalid_type"),
    (chat(model=""), "model", "empty_string"),
    (chat(model="m" * 257), "model", "string_above_max_length"),
    (chat(messages="Hi"), "messages", "invalid_type"),
    (chat(messages=[]), "messages", "empty_array"),
    (chat(messages=None), "messages", "invalid_type"),
    (chat(messages={"0": USER}), "messages", "invalid_type"),
    # messages
    (chat("Hi"), "messages.0", "invalid_type"),
    (chat(USER, 7), "messages.1", "invalid_type"),
    (chat({"content": "Hi"}), "messages.0.role", "missing_required_parameter"),
    (chat({"role": "bot", "content": "Hi"}), "messages.0.role", "invalid_value"),
    (chat({"role": 1, "content": "Hi"}), "messages.0.role", "invalid_type"),
    (chat({"role": ["user"], "content": "Hi"}), "messages.0.role", "invalid_type"),
    (chat({"role": "user"}), "messages.0.content", "missing_required_parameter"),
    (chat({"role": "user", "content": "Hi", "mood": "good"}), "messages.0.mood", "unknown_parameter"),
    (chat({"role": "user", "content": "Hi", "name": "no spaces"}), "messages.0.name", "invalid_value"),
    (chat({"role": "user", "content": "Hi", "name": "n" * 65}), "messages.0.name", "string_above_max_length"),
    (user(None), "messages.0.content", "invalid_type"),
    (user(5), "messages.0.content", "invalid_type"),
    (user({"text": "Hi"}), "messages.0.content", "invalid_type"),
    (user([]), "messages.0.content", "empty_array"),
    (user(["Hi"]), "messages.0.content.0", "invalid_type"),
    (user([{"text": "Hi"}]), "messages.0.content.0.type", "missing_required_parameter"),
    (user([{"type": "video", "video": "x"}]), "messages.0.content.0.type", "invalid_value"),
    (user([{"type": "text"}]), "messages.0.content.0.text", "missing_required_parameter"),
    (user([{"type": "text", "text": None}]), "messages.0.content.0.text", "invalid_type"),
    (user([{"type": "text", "text": "a", "size": 1}]), "messages.0.content.0.size", "unknown_parameter"),
    (
        user([{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "auto"}}]),
        "messages.0.content.0.prompt_cache_breakpoint.mode",
        "invalid_value",
    ),
    (user([{"type": "image_url", "image_url": "http://a"}]), "messages.0.content.0.image_url", "invalid_type"),
    (
        user([{"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]),
        "messages.0.content.1.type",
        "unsupported_value",
    ),
    (user([{"type": "file", "file": {"file_id": "file-1"}}]), "messages.0.content.0.type", "unsupported_value"),
    (chat({"role": "system", "content": [{"type": "image_url"}]}), "messages.0.content.0.type", "invalid_value"),
    (chat({"role": "assistant"}), "messages.0.content", "invalid_type"),
    (chat({"role": "assistant", "content": None}), "messages.0.content", "invalid_type"),
    (chat({"role": "assistant", "content": None, "tool_calls": []}), "messages.0.content", "invalid_type"),
    (chat({"role": "assistant", "content": "a", "audio": {"id": "audio_1"}}), "messages.0.audio", "unsupported_value"),
    (
        chat({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}),
        "messages.0.tool_calls.0.type",
        "invalid_value",
    ),
    (
        chat({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a b", "arguments": ""}}]}),
        "messages.0.tool_calls.0.function.name",
        "invalid_value",
    ),
    (
        chat({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a", "arguments": {}}}]}),
        "messages.0.tool_calls.0.function.arguments",
        "invalid_type",
    ),
    (chat(ASSISTANT_CALLS, {"role": "tool", "content": "4"}), "messages.1.tool_call_id", "missing_required_parameter"),
    (chat({"role": "tool", "content": "4", "tool_call_id": "call_1"}), "messages.0.tool_call_id", "invalid_value"),
    (chat(ASSISTANT_CALLS, {"role": "tool", "content": "4", "tool_call_id": "x"}), "messages.1.tool_call_id", "invalid_value"),
    (chat({"role": "function", "name": "get_time", "content": "4"}), "messages.0.name", "invalid_value"),
    # tools
    (chat(tools=[]), "tools", "empty_array"),
    (chat(tools={}), "tools", "invalid_type"),
    (chat(tools=[WEATHER] * 129), "tools", "array_above_max_length"),
    (chat(tools=[WEATHER, WEATHER]), "tools.1.function.name", "invalid_value"),
    (chat(tools=[{"type": "custom", "custom": {"name": "a"}}]), "tools.0.type", "invalid_value"),
    (chat(tools=[{"type": "function"}]), "tools.0.function", "missing_required_parameter"),
    (tool(), "tools.0.function.name", "missing_required_parameter"),
    (tool(name="bad name"), "tools.0.function.name", "invalid_value"),
    (tool(name=""), "tools.0.function.name", "invalid_value"),
    (tool(name="f" * 65), "tools.0.function.name", "string_above_max_length"),
    (tool(name="f", parameters=[]), "tools.0.function.parameters", "invalid_type"),
    (tool(name="f", parameters={"type": "string"}), "tools.0.function.parameters", "invalid_function_parameters"),
    (tool(name="f", strict="yes"), "tools.0.function.strict", "invalid_type"),
    (chat(tool_choice="auto"), "tool_choice", "invalid_parameter_combination"),
    (chat(tools=[CLOCK], tool_choice="any"), "tool_choice", "invalid_value"),
    (chat(tools=[CLOCK], tool_choice=1), "tool_choice", "invalid_type"),
    (chat(tools=[CLOCK], tool_choice={"type": "custom"}), "tool_choice.type", "invalid_value"),
    (chat(tools=[CLOCK], tool_choice={"function": {"name": "get_time"}}), "tool_choice.type", "missing_required_parameter"),
    (
        chat(tools=[CLOCK], tool_choice={"type": "function", "function": {"name": "nope"}}),
        "tool_choice.function.name",
        "invalid_value",
    ),
    (
        chat(tools=[CLOCK], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [CLOCK]}}),
        "tool_choice.allowed_tools.mode",
        "invalid_value",
    ),
    (
        chat(
            tools=[CLOCK],
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "nope"}}]},
            },
        ),
        "tool_choice.allowed_tools.tools.0.function.name",
        "invalid_value",
    ),
    (chat(parallel_tool_calls=1), "parallel_tool_calls", "invalid_type"),
    # response formats
    (chat(response_format="json"), "response_format", "invalid_type"),
    (chat(response_format={}), "response_format.type", "missing_required_parameter"),
    (chat(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter"),
    (json_schema(schema={}), "response_format.json_schema.name", "missing_required_parameter"),
    (json_schema(name="a"), "response_format.json_schema.schema", "missing_required_parameter"),
    (json_schema(name="a", schema="x"), "response_format.json_schema.schema", "invalid_type"),
    (json_schema(name="ä", schema={}), "response_format.json_schema.name", "invalid_value"),
    (json_schema(name="a" * 65, schema={}), "response_format.json_schema.name", "string_above_max_length"),
    # sampling
    (chat(temperature=2.1), "temperature", "decimal_above_max_value"),
    (chat(temperature=-1), "temperature", "decimal_below_min_value"),
    (chat(temperature="0.5"), "temperature", "invalid_type"),
    (chat(temperature=True), "temperature", "invalid_type"),
    (chat(temperature=10**400), "temperature", "invalid_value"),
    (chat(top_p=1.01), "top_p", "decimal_above_max_value"),
    (chat(presence_penalty=-2.5), "presence_penalty", "decimal_below_min_value"),
    (chat(frequency_penalty=3), "frequency_penalty", "decimal_above_max_value"),
    (chat(n=0), "n", "integer_below_min_value"),
    (chat(n=129), "n", "integer_above_max_value"),
    (chat(n=1.5), "n", "invalid_type"),
    (chat(n=True), "n", "invalid_type"),
    (chat(seed=2**63), "seed", "integer_above_max_value"),
    (chat(seed=-(2**63) - 1), "seed", "integer_below_min_value"),
    (chat(stop=1), "stop", "invalid_type"),
    (chat(stop=[]), "stop", "empty_array"),
    (chat(stop=["a", "b", "c", "d", "e"]), "stop", "array_above_max_length"),
    (chat(stop=["a", 1]), "stop.1", "invalid_type"),
    (chat(stop=""), "stop", "empty_string"),
    (chat(stop="s" * 1001), "stop", "string_above_max_length"),
    (chat(logit_bias={"1": 101}), "logit_bias.1", "decimal_above_max_value"),
    (chat(logit_bias={"hello": 1}), "logit_bias.hello", "invalid_value"),
    (chat(logit_bias=[1]), "logit_bias", "invalid_type"),
    (chat(logprobs=1), "logprobs", "invalid_type"),
    (chat(logprobs=True, top_logprobs=21), "top_logprobs", "integer_above_max_value"),
    (chat(top_logprobs=1), "top_logprobs", "invalid_parameter_combination"),
    (chat(logprobs=False, top_logprobs=1), "top_logprobs", "invalid_parameter_combination"),
    (chat(max_tokens=0), "max_tokens", "integer_below_min_value"),
    (chat(max_completion_tokens=0), "max_completion_tokens", "integer_below_min_value"),
    (chat(max_completion_tokens=2**31), "max_completion_tokens", "integer_above_max_value"),
    (chat(max_tokens=5, max_completion_tokens=5), "max_tokens", "invalid_parameter_combination"),
    (chat(reasoning_effort="extreme"), "reasoning_effort", "invalid_value"),
    (chat(verbosity="loud"), "verbosity", "invalid_value"),
    # how it is answered
    (chat(stream="true"), "stream", "invalid_type"),
    (chat(stream_options={"include_usage": True}), "stream_options", "invalid_parameter_combination"),
    (chat(stream=False, stream_options={}), "stream_options", "invalid_parameter_combination"),
    (chat(stream=True, stream_options={"usage": True}), "stream_options.usage", "unknown_parameter"),
    (chat(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
    (chat(modalities=["text", "audio"]), "modalities", "unsupported_value"),
    (chat(modalities=["smell"]), "modalities.0", "invalid_value"),
    (chat(store=True), "store", "unsupported_parameter"),
    (chat(store="no"), "store", "invalid_type"),
    (chat(metadata={"a": 1}), "metadata.a", "invalid_type"),
    (chat(metadata={"a": "v" * 513}), "metadata.a", "string_above_max_length"),
    (chat(metadata={"k" * 65: "v"}), f"metadata.{'k' * 65}", "string_above_max_length"),
    (chat(metadata={str(i): "v" for i in range(17)}), "metadata", "object_above_max_length"),
    (chat(service_tier="gold"), "service_tier", "invalid_value"),
    (chat(user=3), "user", "invalid_type"),
    (chat(safety_identifier="s" * 513), "safety_identifier", "string_above_max_length"),
    # prompt caching
    (chat(prompt_cache_key="k" * 513), "prompt_cache_key", "string_above_max_length"),
    (chat(prompt_cache_retention="7d"), "prompt_cache_retention", "invalid_value"),
    (chat(prompt_cache_options={"mode": "sometimes"}), "prompt_cache_options.mode", "invalid_value"),
    (chat(cache_salt=""), "cache_salt", "empty_string"),
    # what is not served
    (chat(functions=[{"name": "f"}]), "functions", "unsupported_parameter"),
    (chat(function_call="auto"), "function_call", "unsupported_parameter"),
    (chat(audio={"voice": "alloy", "format": "wav"}), "audio", "unsupported_parameter"),
    (chat(web_search_options={}), "web_search_options", "unsupported_parameter"),
    (chat(moderation={"model": "m"}), "moderation", "unsupported_parameter"),
    (chat(prediction={"type": "guess", "content": "a"}), "prediction.type", "invalid_value"),
    (chat(flavour="mint"), "flavour", "unrecognized_request_argument"),
    # beyond OpenAI's schema
    (chat(top_k=-2), "top_k", "integer_below_min_value"),
    (chat(min_p=1.5), "min_p", "decimal_above_max_value"),
    (chat(repetition_penalty=0), "repetition_penalty", "decimal_below_min_value"),
    (chat(stop_token_ids=[-1]), "stop_token_ids.0", "integer_below_min_value"),
    (chat(chat_template_kwargs={"chat_template": "{{x}}"}), "chat_template_kwargs.chat_template", "unsupported_value"),
    (chat(chat_template_kwargs={"thinking": []}), "chat_template_kwargs.thinking", "invalid_type"),
    (chat(chat_template="{{x}}"), "chat_template", "unrecognized_request_argument"),
    (chat(priority=-5), "priority", "unrecognized_request_argument"),
    (chat(kv_transfer_params={}), "kv_transfer_params", "unrecognized_request_argument"),
]


@pytest.mark.parametrize(("body", "param", "code"), CASES, ids=[f"{param}-{code}" for _, param, code in CASES])
def test_names_the_field_and_the_rule(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ChatCompletionRequest.parse(json.dumps(body).encode())
    assert (caught.value.param, caught.value.code, caught.value.status) == (param, code, 400)
    assert param.rpartition(".")[2] in caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (chat(n=0), "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."),
        (chat(temperature=3), "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."),
        (
            user(5),
            "Invalid type for 'messages.0.content': expected one of a string or array of objects, but got an integer instead.",
        ),
        (without("messages"), "Missing required parameter: 'messages'."),
        (chat(verbosity="loud"), "Invalid value for 'verbosity': 'loud'. Supported values are: 'low', 'medium' and 'high'."),
        (chat(a=1), "Unrecognized request argument supplied: a"),
        (chat(a=1, b=2), "Unrecognized request arguments supplied: a, b"),
    ],
)
def test_says_what_was_expected(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ChatCompletionRequest.parse(body)
    assert caught.value.message == message


def test_long_values_are_not_echoed_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        ChatCompletionRequest.parse(chat(service_tier="x" * 100_000))
    assert len(caught.value.message) < 400


def test_limits_are_the_callers() -> None:
    with pytest.raises(InvalidRequest, match="Expected a value <= 4"):
        ChatCompletionRequest.parse(chat(n=5), limits=RequestLimits(max_choices=4))
    sound = user([{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}])
    hearing = RequestLimits(content_parts=frozenset({"text", "input_audio"}))
    assert b'"input_audio":{"data":"x","format":"wav"}' in ChatCompletionRequest.parse(sound, limits=hearing).engine_body()
