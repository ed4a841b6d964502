"""The official client against the running cluster, with strict response validation, each body held against OpenAI's description."""

from __future__ import annotations

import json

import openai
import pytest
from pydantic import BaseModel

from tests.e2e.conftest import RunningCluster
from tests.openai_schema import SchemaOracle

pytestmark = pytest.mark.e2e

MODEL = "gpt-oss-demo"
ORDER_SCHEMA = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "quantity": {"type": "integer"}},
    "required": ["item", "quantity"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "place_order", "description": "Place an order", "parameters": ORDER_SCHEMA, "strict": True},
    },
    {
        "type": "function",
        "function": {
            "name": "get_order_status",
            "description": "Get the status of an order",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    },
]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


class Order(BaseModel):
    item: str
    quantity: int


def test_chat_answers_and_says_what_it_used(running: RunningCluster, oracle: SchemaOracle) -> None:
    answer = running.client().chat.completions.with_raw_response.create(model=MODEL, messages=user("Hello"), temperature=0)
    completion = answer.parse()
    assert completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.id.startswith("chatcmpl-")
    assert not oracle.problems("CreateChatCompletionResponse", json.loads(answer.text))
    assert answer.headers["x-request-id"]
    assert float(answer.headers["openai-processing-ms"]) >= 0
    assert answer.headers["openai-organization"].startswith("org_")


def test_stream_gives_the_same_text_and_usage_last(running: RunningCluster, oracle: SchemaOracle) -> None:
    client = running.client()
    whole = client.chat.completions.create(model=MODEL, messages=user("Who are you?"), temperature=0, seed=1)
    stream = client.chat.completions.create(
        model=MODEL, messages=user("Who are you?"), temperature=0, seed=1, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens  # type: ignore[union-attr]
    for chunk in chunks:
        assert not oracle.problems("CreateChatCompletionStreamResponse", chunk.model_dump(mode="json", exclude_unset=True))


def test_stream_without_usage_ends_with_done(running: RunningCluster) -> None:
    body = {"model": MODEL, "messages": user("Hello"), "stream": True}
    with running.raw() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line for line in answer.iter_lines() if line]
    assert events[-1] == "data: [DONE]"
    assert all("usage" not in json.loads(line.removeprefix("data: ")) for line in events[:-1])


def test_tool_call_and_answer_from_its_result(running: RunningCluster, oracle: SchemaOracle) -> None:
    client = running.client()
    messages: list[dict[str, object]] = [{"role": "user", "content": "I want to order 3 coffee."}]
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=messages,  # type: ignore[arg-type]
        tools=TOOLS,  # type: ignore[arg-type]
        temperature=0,
    )
    assert not oracle.problems("CreateChatCompletionResponse", json.loads(raw.text))
    call = raw.parse()
    assert call.choices[0].finish_reason == "tool_calls"
    tool_call = call.choices[0].message.tool_calls[0]  # type: ignore[index]
    assert tool_call.function.name == "place_order"
    assert json.loads(tool_call.function.arguments) == {"item": "coffee", "quantity": 3}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [tool_call.model_dump()]},
        {"role": "tool", "tool_call_id": tool_call.id, "content": json.dumps({"order_id": "1042", "status": "confirmed"})},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, temperature=0)  # type: ignore[arg-type]
    assert "1042" in (answer.choices[0].message.content or "")


def test_streamed_tool_call_arguments_add_up(running: RunningCluster) -> None:
    stream = running.client().chat.completions.create(
        model=MODEL,
        messages=user("Order 5 mugs"),
        tools=TOOLS,
        temperature=0,
        stream=True,  # type: ignore[arg-type]
    )
    name, arguments, finish = "", "", None
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            name += (call.function and call.function.name) or ""
            arguments += (call.function and call.function.arguments) or ""
        finish = chunk.choices[0].finish_reason or finish
    assert (name, json.loads(arguments), finish) == ("place_order", {"item": "mugs", "quantity": 5}, "tool_calls")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_order_status"}}])
def test_forced_tool_choice_calls_a_tool_with_valid_arguments(running: RunningCluster, choice: object) -> None:
    answer = running.client().chat.completions.create(
        model=MODEL,
        messages=user("Where is my order 4711?"),
        tools=TOOLS,
        tool_choice=choice,
        temperature=0,  # type: ignore[arg-type]
    )
    call = answer.choices[0].message.tool_calls[0]  # type: ignore[index]
    assert call.function.name == "get_order_status"
    assert list(json.loads(call.function.arguments)) == ["order_id"]


def test_strict_json_schema_is_kept(running: RunningCluster, oracle: SchemaOracle) -> None:
    answer = running.client().chat.completions.with_raw_response.parse(
        model=MODEL, messages=user("Extract the order as JSON: 7 apples"), response_format=Order, temperature=0
    )
    assert isinstance(answer.parse().choices[0].message.parsed, Order)
    assert not oracle.problems("CreateChatCompletionResponse", json.loads(answer.text))


def test_json_object_is_json(running: RunningCluster) -> None:
    answer = running.client().chat.completions.create(
        model=MODEL, messages=user("JSON for the order 2 tea"), response_format={"type": "json_object"}, temperature=0
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_logprobs_have_a_list_for_each_token(running: RunningCluster, oracle: SchemaOracle) -> None:
    answer = running.client().chat.completions.with_raw_response.create(
        model=MODEL, messages=user("Hello"), logprobs=True, top_logprobs=3, temperature=0, max_completion_tokens=20
    )
    content = answer.parse().choices[0].logprobs.content  # type: ignore[union-attr]
    assert content
    assert all(len(token.top_logprobs) == 3 for token in content)
    assert not oracle.problems("CreateChatCompletionResponse", json.loads(answer.text))


def test_n_gives_that_many_choices(running: RunningCluster, oracle: SchemaOracle) -> None:
    answer = running.client().chat.completions.with_raw_response.create(
        model=MODEL, messages=user("Tell me a joke"), n=2, temperature=1, seed=3
    )
    assert [choice.index for choice in answer.parse().choices] == [0, 1]
    assert not oracle.problems("CreateChatCompletionResponse", json.loads(answer.text))


def test_max_completion_tokens_ends_with_length(running: RunningCluster) -> None:
    answer = running.client().chat.completions.create(model=MODEL, messages=user("Who are you?"), max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3  # type: ignore[union-attr]


def test_equal_seeds_give_equal_answers(running: RunningCluster) -> None:
    client = running.client()
    answers = [client.chat.completions.create(model=MODEL, messages=user("Who are you?"), temperature=1, seed=11) for _ in range(2)]
    texts = {answer.choices[0].message.content for answer in answers}
    assert len(texts) == 1


def test_fields_that_only_describe_a_request_are_accepted(running: RunningCluster) -> None:
    answer = running.client().chat.completions.create(
        model=MODEL,
        messages=user("Hello"),
        reasoning_effort="low",
        prompt_cache_key="greeting",
        metadata={"topic": "greeting"},
        service_tier="auto",
        safety_identifier="user-1",
        max_completion_tokens=60,
        stop=["\n\n\n"],
    )
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_text_completion(running: RunningCluster, oracle: SchemaOracle) -> None:
    answer = running.client().completions.with_raw_response.create(model=MODEL, prompt="Hello", max_tokens=8, temperature=0)
    assert answer.parse().usage.completion_tokens == 8  # type: ignore[union-attr]
    assert not oracle.problems("CreateCompletionResponse", json.loads(answer.text))
    # Not strict: OpenAI streams `finish_reason: null` until the last piece, which the client's own model of a piece forbids.
    loose = openai.OpenAI(base_url=f"{running.http}/v1", api_key=running.api_key)
    pieces = list(loose.completions.create(model=MODEL, prompt="Hello", max_tokens=8, temperature=0, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == answer.parse().choices[0].text


def test_models_are_listed_and_read(running: RunningCluster, oracle: SchemaOracle) -> None:
    client = running.client()
    raw = client.models.with_raw_response.list()
    assert [model.id for model in raw.parse()] == [MODEL]
    assert not oracle.problems("ListModelsResponse", json.loads(raw.text))
    one = client.models.with_raw_response.retrieve(MODEL)
    assert one.parse().id == MODEL
    assert not oracle.problems("Model", json.loads(one.text))


def test_too_long_prompt_is_context_length_exceeded(running: RunningCluster) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        running.client().chat.completions.create(model=MODEL, messages=user("word " * 9000))
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.type == "invalid_request_error"


def test_errors_have_openais_shape(running: RunningCluster, oracle: SchemaOracle) -> None:
    client = running.client()
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such-model", messages=user("Hello"))
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert not oracle.problems("ErrorResponse", {"error": unknown.value.body})
    with pytest.raises(openai.AuthenticationError) as refused:
        running.client("sk-" + "0" * 60).chat.completions.create(model=MODEL, messages=user("Hello"))
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError) as invalid:
        client.chat.completions.create(model=MODEL, messages=[{"role": "wizard", "content": "x"}])  # type: ignore[list-item]
    assert invalid.value.param == "messages.0.role"
