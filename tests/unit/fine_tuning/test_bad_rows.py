"""Every kind of malformed line is named by its field, with a reason that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cluster.tuning.rows.lines import Line
from cluster.tuning.rows.parse import Method, parse
from tests.unit.fine_tuning.samples import WEATHER, call, changed, chat, data_url, picture, preference, with_images, with_tools

Change = Callable[[dict[str, Any]], Any]
PNG = data_url(picture())


def report(data: bytes | None, method: Method = Method.SUPERVISED, *, takes_images: bool = True) -> list[tuple[str, str, str]]:
    found = parse(Line(7, data), method, takes_images=takes_images)
    assert isinstance(found, list), "the line was taken"
    assert all(problem.line == 7 for problem in found)
    return [(problem.param, problem.code, problem.reason) for problem in found]


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"{", "invalid_json", "The line is not valid JSON: Expecting property name enclosed in double quotes (column 2)."),
        (b"[]", "invalid_type", "The line is not a JSON object but an array."),
        (b'"hello"', "invalid_type", "The line is not a JSON object but a string."),
        (b"", "invalid_json", "The line is empty."),
        (b'{"messages": [\xff]}', "invalid_json", "The line is not valid UTF-8: byte 14 cannot be decoded."),
        (
            b'\xef\xbb\xbf{"messages": []}',
            "invalid_json",
            "The line begins with a byte order mark. Save the file as UTF-8 without one.",
        ),
        (b'{"messages": NaN}', "invalid_json", "The line is not valid JSON: NaN is not a JSON number."),
        (b'{"messages": 1e999}', "invalid_json", "The line holds a number out of range: 1e999."),
        (b'{"messages": ' + b"1" * 5000 + b"}", "invalid_json", "The line holds an integer with too many digits."),
        (b'{"a": 1, "a": 2}', "duplicate_key", "The line has the key 'a' twice in one object."),
        (b'{"a": "\\ud800"}', "invalid_json", "The line holds a lone UTF-16 surrogate, which is not a character."),
        (b'{"a": "\\u0000"}', "invalid_json", "The line holds a NUL character (\\u0000), which is not allowed."),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "json_too_deep", "The line is nested deeper than 64 levels."),
        (b'{"a":' * 100_000, "json_too_deep", "The line is nested deeper than 64 levels."),
        (None, "line_too_long", "The line is longer than a line may be."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_json_object(data: bytes | None, code: str, reason: str) -> None:
    assert report(data) == [("", code, reason)]


def test_a_backslash_before_a_u_is_no_escape() -> None:
    line = chat()
    line["messages"][0]["content"] = "C:\\u0000"
    assert not isinstance(parse(Line(1, json.dumps(line).encode()), Method.SUPERVISED, takes_images=False), list)


def put(*path: str | int, value: Any) -> Change:
    def change(example: dict[str, Any]) -> None:
        node: Any = example
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    def change(example: dict[str, Any]) -> None:
        node: Any = example
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "param", "code", "reason"),
    [
        (drop("messages"), "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
        (
            put("messages", value=[]),
            "messages",
            "empty_array",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            put("messages", value="hi"),
            "messages",
            "invalid_type",
            "Invalid type for 'messages': expected an array, but got a string instead.",
        ),
        (
            put("messages", 0, "role", value="human"),
            "messages.0.role",
            "invalid_value",
            "Invalid value for 'messages.0.role': 'human'. "
            "Supported values are: 'system', 'developer', 'user', 'assistant', 'tool' and 'function'.",
        ),
        (
            drop("messages", 0, "role"),
            "messages.0.role",
            "missing_required_parameter",
            "Missing required parameter: 'messages.0.role'.",
        ),
        (
            put("messages", 0, value="hi"),
            "messages.0",
            "invalid_type",
            "Invalid type for 'messages.0': expected an object, but got a string instead.",
        ),
        (
            put("messages", 0, "content", value=5),
            "messages.0.content",
            "invalid_type",
            "Invalid type for 'messages.0.content': expected one of a string or array of objects, but got an integer instead.",
        ),
        (
            put("messages", 0, "content", value=None),
            "messages.0.content",
            "invalid_type",
            "Invalid type for 'messages.0.content': expected one of a string or array of objects, but got null instead.",
        ),
        (
            put("messages", 0, "weight", value=1),
            "messages.0.weight",
            "unknown_parameter",
            "Unknown parameter: 'messages.0.weight'.",
        ),
        (
            put("messages", 1, "weight", value=2),
            "messages.1.weight",
            "integer_above_max_value",
            "Invalid 'messages.1.weight': integer above maximum value. Expected a value <= 1, but got 2 instead.",
        ),
        (
            put("messages", 1, "weight", value=0.5),
            "messages.1.weight",
            "invalid_type",
            "Invalid type for 'messages.1.weight': expected an integer, but got a decimal instead.",
        ),
        (
            put("messages", 1, "weight", value=True),
            "messages.1.weight",
            "invalid_type",
            "Invalid type for 'messages.1.weight': expected an integer, but got a boolean instead.",
        ),
        (
            put("messages", 1, "weight", value=0),
            "messages",
            "invalid_value",
            "Invalid 'messages': every assistant message has the weight 0, so there is nothing to learn.",
        ),
        (
            drop("messages", 1),
            "messages.0.role",
            "invalid_value",
            "Invalid 'messages.0.role': the last message must be from the assistant.",
        ),
        (
            drop("messages", 1, "content"),
            "messages.1.content",
            "missing_required_parameter",
            "Missing required parameter: 'messages.1.content'.",
        ),
        (
            put("messages", 1, "content", value=" "),
            "messages.1.content",
            "invalid_value",
            "Invalid 'messages.1.content': there is nothing to learn from an empty message; give it the weight 0.",
        ),
        (
            put("messages", 0, "name", value="two words"),
            "messages.0.name",
            "invalid_value",
            "Invalid 'messages.0.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[^\\s<|\\\\/>]+$'.",
        ),
        (put("response_format", value={}), "response_format", "unknown_parameter", "Unknown parameter: 'response_format'."),
        (
            put("parallel_tool_calls", value=False),
            "parallel_tool_calls",
            "invalid_parameter_combination",
            "The 'parallel_tool_calls' parameter is only allowed when 'tools' are specified.",
        ),
        (
            put("messages", 0, "content", value=[{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}]),
            "messages.0.content.0.type",
            "unsupported_value",
            "Unsupported value for 'messages.0.content.0.type': training examples have no 'input_audio' parts.",
        ),
        (
            put("messages", 1, "content", value=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]),
            "messages.1.content.0.type",
            "invalid_value",
            "Invalid value for 'messages.1.content.0.type': 'image_url'. Supported values are: 'text' and 'refusal'.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_messages(change: Change, param: str, code: str, reason: str) -> None:
    assert report(changed(chat(), change)) == [(param, code, reason)]


@pytest.mark.parametrize(
    ("change", "param", "code", "reason"),
    [
        (
            put("messages", 2, "tool_calls", 0, "function", "arguments", value="{city: Oslo}"),
            "messages.2.tool_calls.0.function.arguments",
            "invalid_value",
            "Invalid 'messages.2.tool_calls.0.function.arguments': the string is not valid JSON: "
            "Expecting property name enclosed in double quotes (column 2).",
        ),
        (
            put("messages", 2, "tool_calls", 0, "function", "arguments", value="[1]"),
            "messages.2.tool_calls.0.function.arguments",
            "invalid_value",
            "Invalid 'messages.2.tool_calls.0.function.arguments': the string is not a JSON object but an array.",
        ),
        (
            put("messages", 2, "tool_calls", 0, "function", "arguments", value={"city": "Oslo"}),
            "messages.2.tool_calls.0.function.arguments",
            "invalid_type",
            "Invalid type for 'messages.2.tool_calls.0.function.arguments': expected a string, but got an object instead.",
        ),
        (
            put("messages", 2, "tool_calls", 0, "function", "arguments", value='{"a": "\\ud800"}'),
            "messages.2.tool_calls.0.function.arguments",
            "invalid_value",
            "Invalid 'messages.2.tool_calls.0.function.arguments': "
            "the string holds a lone UTF-16 surrogate, which is not a character.",
        ),
        (
            put("messages", 2, "tool_calls", 1, "function", "name", value="clock"),
            "messages.2.tool_calls.1.function.name",
            "invalid_value",
            "Invalid 'messages.2.tool_calls.1.function.name': no function named 'clock' is among 'tools'.",
        ),
        (
            put("messages", 3, "tool_call_id", value="c"),
            "messages.3.tool_call_id",
            "invalid_value",
            "Invalid 'messages.3.tool_call_id': a 'tool' message must answer a call of the assistant message before it, once.",
        ),
        (
            drop("messages", 3),
            "messages.2.tool_calls.1",
            "invalid_value",
            "Invalid 'messages.2.tool_calls.1': no 'tool' message right after it answers the call 'b'.",
        ),
        (
            put("parallel_tool_calls", value=False),
            "messages.2.tool_calls",
            "invalid_parameter_combination",
            "The message has 2 calls, but 'parallel_tool_calls' is false: one is allowed.",
        ),
        (
            put("tools", value=[WEATHER, WEATHER]),
            "tools.1.function.name",
            "invalid_value",
            "Invalid 'tools.1.function.name': there are two functions named 'weather'.",
        ),
        (
            put("tools", 0, "function", "parameters", value={"type": "array"}),
            "tools.0.function.parameters",
            "invalid_function_parameters",
            "Invalid schema for function 'weather': the schema of its parameters must be of type 'object'.",
        ),
        (
            put("tools", 0, "function", "parameters", value={"type": "object", "properties": []}),
            "tools.0.function.parameters",
            "invalid_function_parameters",
            "Invalid schema for function 'weather': it is not a JSON schema: [] is not of type 'object'.",
        ),
        (
            put("tools", 0, "function", "name", value="the weather"),
            "tools.0.function.name",
            "invalid_value",
            "Invalid 'tools.0.function.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            put("tools", 0, "type", value="retrieval"),
            "tools.0.type",
            "invalid_value",
            "Invalid value for 'tools.0.type': 'retrieval'. Supported values are: 'function'.",
        ),
        (
            put("messages", 2, "tool_calls", value=[]),
            "messages.2.tool_calls",
            "empty_array",
            "Invalid 'messages.2.tool_calls': empty array. "
            "Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            put("messages", 2, "function_call", value={"name": "weather", "arguments": "{}"}),
            "messages.2.function_call",
            "invalid_parameter_combination",
            "A message has either 'tool_calls' or 'function_call', not both.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_tools(change: Change, param: str, code: str, reason: str) -> None:
    assert (param, code, reason) in report(changed(with_tools(), change))


def test_two_calls_of_one_id() -> None:
    line = with_tools()
    line["messages"] = [line["messages"][1], {"role": "assistant", "tool_calls": [call("a"), call("a")]}]
    assert report(json.dumps(line).encode()) == [
        (
            "messages.1.tool_calls.1.id",
            "invalid_value",
            "Invalid 'messages.1.tool_calls.1.id': there are two calls with the id 'a'.",
        )
    ]


def test_a_line_of_too_many_values_is_not_parsed() -> None:
    assert report(b'{"messages": [' + b"[]," * 600_000 + b"[]]}") == [
        ("", "json_too_many_values", "The line holds more than 500000 values.")
    ]


def test_a_conversation_that_would_become_too_many_rows() -> None:
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}] * 1025
    assert report(json.dumps({"messages": turns}).encode()) == [
        (
            "messages",
            "array_above_max_length",
            "Invalid 'messages': array too long. "
            "Expected an array with maximum length 2048, but got an array with length 2050 instead.",
        )
    ]


def test_the_completions_format_is_named() -> None:
    assert report(b'{"prompt": "a", "completion": "b"}') == [
        (
            "messages",
            "invalid_file_format",
            "The line is of the completions format ('prompt' and 'completion'); chat models are tuned on 'messages'.",
        )
    ]


def test_all_problems_of_a_row_at_once() -> None:
    line = with_tools()
    line["messages"][1]["role"] = "human"
    line["messages"][2]["weight"] = 7
    line["tools"] = "weather"
    assert [param for param, _, _ in report(json.dumps(line).encode())] == ["tools", "messages.1.role", "messages.2.weight"]


def test_a_row_with_many_problems_names_five() -> None:
    line = {"messages": [{"role": "nobody"}] * 40}
    assert len(report(json.dumps(line).encode())) == 5


@pytest.mark.parametrize(
    ("change", "param", "reason"),
    [
        (
            put("preferred_output", value=[]),
            "preferred_output",
            "Invalid 'preferred_output': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            put("non_preferred_output", 0, "role", value="user"),
            "non_preferred_output.0.role",
            "Invalid value for 'non_preferred_output.0.role': 'user'. Supported values are: 'assistant'.",
        ),
        (
            put("non_preferred_output", 0, "content", value="Hi."),
            "non_preferred_output",
            "Invalid 'non_preferred_output': it is the same as 'preferred_output': neither can be preferred.",
        ),
        (
            put("preferred_output", 0, "weight", value=1),
            "preferred_output.0.weight",
            "Invalid 'preferred_output.0.weight': answers that are compared have no weight.",
        ),
        (
            put("input", "messages", 0, value={"role": "assistant", "content": "x"}),
            "input.messages.0.role",
            "Invalid 'input.messages.0.role': the input must end before the answers that are compared.",
        ),
        (
            put("input", "messages", 0, "content", value=[{"type": "image_url", "image_url": {"url": PNG}}]),
            "input.messages.0.content.0.image_url.url",
            "Unsupported value for 'input.messages.0.content.0.image_url.url': preference examples have no images.",
        ),
        (drop("input"), "input", "Missing required parameter: 'input'."),
        (put("messages", value=[]), "messages", "Unknown parameter: 'messages'."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_preferences(change: Change, param: str, reason: str) -> None:
    assert [(found[0], found[2]) for found in report(changed(preference(), change), Method.DPO)] == [(param, reason)]


def test_a_chat_line_is_no_preference_and_says_so() -> None:
    found = report(json.dumps(chat()).encode(), Method.DPO)
    assert {param for param, _, _ in found} == {"input", "preferred_output", "non_preferred_output", "messages"}


def test_images_of_a_model_that_takes_none() -> None:
    assert report(json.dumps(with_images(PNG)).encode(), takes_images=False) == [
        (
            "messages.0.content.1.image_url.url",
            "unsupported_value",
            "Unsupported value for 'messages.0.content.1.image_url.url': the model takes no images.",
        )
    ]


def test_eleven_images() -> None:
    assert report(json.dumps(with_images(*[PNG] * 11)).encode()) == [
        ("messages", "invalid_value", "Invalid 'messages': there are 11 images, but an example may have 10.")
    ]
