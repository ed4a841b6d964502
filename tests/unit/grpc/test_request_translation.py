"""Request messages reach the validator that HTTP requests reach, whole and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, tool_pb2
from cluster.edges.grpc.translate.requests import completion_body, stream_body
from cluster.errors import InvalidRequest
from cluster.inference.requests.chat import REFUSED, ChatCompletionRequest, ChatFields
from cluster.inference.requests.limits import DEFAULT_LIMITS
from tests.unit.grpc import descriptors

REQUEST = chat_pb2.CreateChatCompletionRequest.DESCRIPTOR
NOT_OVER_GRPC = {
    "max_tokens": "replaced by max_completion_tokens",
    "user": "replaced by safety_identifier and prompt_cache_key",
    "prediction": "without effect",
    "modalities": "text is the only one",
    "verbosity": "without effect",
    "prompt_cache_options": "without effect",
    "chat_template_kwargs": "its values have no types",
    "stream": "is the method's name",
    "stream_options": "is a field of StreamChatCompletionRequest",
}


def name_of(path: descriptors.Path) -> str:
    return ".".join(field.name for field in path)


def values(body: object) -> Iterator[object]:
    yield body
    children = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    for child in children:
        yield from values(child)


@pytest.mark.parametrize("path", list(descriptors.leaves(REQUEST)), ids=name_of)
def test_every_field_reaches_the_validator(path: descriptors.Path) -> None:
    request = chat_pb2.CreateChatCompletionRequest()
    expected = descriptors.set_leaf(request, path)
    try:
        body = completion_body(request, DEFAULT_LIMITS)
    except InvalidRequest as error:
        pytest.fail(f"not translated: {error.message}")
    assert expected in list(values(body))
    assert path[0].name in body
    assert body.keys() <= ChatFields.model_fields.keys()


def test_fields_of_http_that_grpc_lacks_are_lacking_for_a_reason() -> None:
    names = {field.name for field in REQUEST.fields}
    assert names.isdisjoint(NOT_OVER_GRPC)
    assert ChatFields.model_fields.keys() - REFUSED.keys() == names | NOT_OVER_GRPC.keys()


@settings(max_examples=300, deadline=None)
@given(descriptors.messages(chat_pb2.StreamChatCompletionRequest))
def test_any_message_is_accepted_or_refused_and_never_breaks(request: chat_pb2.StreamChatCompletionRequest) -> None:
    decoded = chat_pb2.StreamChatCompletionRequest.FromString(request.SerializeToString())
    try:
        parsed = ChatCompletionRequest.parse(stream_body(decoded, DEFAULT_LIMITS))
    except InvalidRequest:
        return
    assert parsed.stream
    json.loads(parsed.engine_body())


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50))
def test_texts_come_through_byte_for_byte(text: str) -> None:
    request = chat_pb2.CreateChatCompletionRequest(
        model="demo", messages=[message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content=text)]
    )
    engine = json.loads(ChatCompletionRequest.parse(completion_body(request, DEFAULT_LIMITS)).engine_body())
    assert engine["messages"][0]["content"] == text


def test_conversation_with_tools_gives_the_body_that_http_would_send() -> None:
    """The same request twice: as a client would write it for HTTP, and as a message."""
    parameters = {"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"const": 2**53 + 1}}}
    call = {"id": "call_1", "type": "function", "function": {"name": "place_order", "arguments": '{"item": "tea"}'}}
    over_http = {
        "model": "demo",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "One tea."}]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "content": "ok", "tool_call_id": "call_1"},
        ],
        "tools": [{"type": "function", "function": {"name": "place_order", "strict": True, "parameters": parameters}}],
        "tool_choice": {"type": "function", "function": {"name": "place_order"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": {"type": "object"}}},
        "stop": ["END"],
        "seed": -(2**63),
        "logit_bias": {"5": -100.0},
        "metadata": {"trace": "1"},
        "reasoning_effort": "low",
        "prompt_cache_retention": "24h",
        "temperature": 0.0,
    }
    schema = tool_pb2.JsonSchemaFormat(name="order", schema='{"type": "object"}')
    function = tool_pb2.FunctionDefinition(name="place_order", strict=True, parameters=json.dumps(parameters))
    called = message_pb2.FunctionCall(name="place_order", arguments='{"item": "tea"}')
    part = message_pb2.ContentPart(text="One tea.")
    message = chat_pb2.CreateChatCompletionRequest(
        model="demo",
        messages=[
            message_pb2.ChatMessage(role=message_pb2.ROLE_DEVELOPER, content="Be brief."),
            message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content_parts=message_pb2.ContentParts(parts=[part])),
            message_pb2.ChatMessage(
                role=message_pb2.ROLE_ASSISTANT, tool_calls=[message_pb2.ToolCall(id="call_1", function=called)]
            ),
            message_pb2.ChatMessage(role=message_pb2.ROLE_TOOL, content="ok", tool_call_id="call_1"),
        ],
        tools=[tool_pb2.Tool(function=function)],
        tool_choice=tool_pb2.ToolChoice(function=tool_pb2.NamedFunction(name="place_order")),
        response_format=tool_pb2.ResponseFormat(json_schema=schema),
        stop=["END"],
        seed=-(2**63),
        logit_bias={5: -100.0},
        metadata={"trace": "1"},
        reasoning_effort=chat_pb2.REASONING_EFFORT_LOW,
        prompt_cache_retention=chat_pb2.PROMPT_CACHE_RETENTION_24H,
        temperature=0.0,
    )
    body = completion_body(message, DEFAULT_LIMITS)
    assert body == over_http
    ours, theirs = ChatCompletionRequest.parse(body), ChatCompletionRequest.parse(json.dumps(over_http).encode())
    assert ours.engine_body() == theirs.engine_body()
    assert ours.canonical_prompt() == theirs.canonical_prompt()


def test_zero_is_a_value_and_absent_is_none() -> None:
    request = chat_pb2.CreateChatCompletionRequest(temperature=0.0, seed=0, logprobs=False)
    assert completion_body(request, DEFAULT_LIMITS) == {"messages": [], "temperature": 0.0, "seed": 0, "logprobs": False}


def test_answer_can_be_appended_to_the_next_request() -> None:
    answer = message_pb2.ChatMessage(role=message_pb2.ROLE_ASSISTANT, content="Hello.", reasoning="Greet.")
    request = chat_pb2.CreateChatCompletionRequest(
        model="demo", messages=[message_pb2.ChatMessage(role=message_pb2.ROLE_USER, content="Hi"), answer]
    )
    engine = json.loads(ChatCompletionRequest.parse(completion_body(request, DEFAULT_LIMITS)).engine_body())
    assert [message["content"] for message in engine["messages"]] == ["Hi", "Hello."]


@pytest.mark.parametrize(
    ("request_json", "param"),
    [
        ({"toolChoice": {}}, "tool_choice"),
        ({"responseFormat": {}}, "response_format"),
        ({"messages": [{"role": "ROLE_USER", "contentParts": {"parts": [{}]}}]}, "messages.0.content.0"),
    ],
)
def test_choice_that_is_not_made_names_its_field(request_json: dict[str, object], param: str) -> None:
    request = json_format.ParseDict(request_json, chat_pb2.CreateChatCompletionRequest())
    with pytest.raises(InvalidRequest) as caught:
        completion_body(request, DEFAULT_LIMITS)
    assert caught.value.param == param
