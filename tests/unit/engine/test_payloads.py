"""vLLM's answers in OpenAI's shape. The inputs are dumped by vLLM's own classes, so a change of theirs shows here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai._models import validate_type
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from vllm.entrypoints.generate.base.protocol import DeltaFunctionCall, DeltaMessage, DeltaToolCall, FunctionCall, ToolCall
from vllm.entrypoints.openai.chat_completion import protocol as chat
from vllm.entrypoints.openai.completion import protocol as completion
from vllm.entrypoints.serve.engine.protocol import UsageInfo

from cluster.engine.vllm import payloads

#: Loads vLLM.
pytestmark = pytest.mark.slow

ENVELOPE: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": "m"}
USAGE = UsageInfo(prompt_tokens=1, completion_tokens=2, total_tokens=3)
LOGPROBS = chat.ChatCompletionLogProbs(
    content=[
        chat.ChatCompletionLogProbsContent(
            token="a", logprob=-1.0, bytes=[97], top_logprobs=[chat.ChatCompletionLogProb(token="a", logprob=-1.0, bytes=[97])]
        )
    ]
)
TRICKY_TEXTS = [
    "plain",
    'a quote " and a backslash \\ and a newline \n',
    '"finish_reason":null,"token_ids":null}]}\n\n',
    payloads.CHAT_TAIL,
    payloads.COMPLETION_TAIL,
    "ümläut 漢字 \u2028 \x00",
    "",
]
DELTAS = [
    *(DeltaMessage(content=text) for text in TRICKY_TEXTS),
    DeltaMessage(reasoning="thinking"),
    DeltaMessage(tool_calls=[DeltaToolCall(index=0, id="c1", type="function", function=DeltaFunctionCall(name="f", arguments=""))]),
    DeltaMessage(tool_calls=[DeltaToolCall(index=0, function=DeltaFunctionCall(arguments='{"a":'))]),
]


def chat_chunk(delta: DeltaMessage, **choice: Any) -> str:
    """A chunk as ``chat_completion_stream_generator`` writes it."""
    fields: dict[str, Any] = {"logprobs": None, "finish_reason": None, "token_ids": None} | choice
    chunk = chat.ChatCompletionStreamResponse(
        **ENVELOPE,
        object="chat.completion.chunk",
        choices=[chat.ChatCompletionResponseStreamChoice(index=0, delta=delta, **fields)],
    )
    return f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"


def completion_chunk(text: str, **choice: Any) -> str:
    """A chunk as ``completion_stream_generator`` writes it."""
    fields: dict[str, Any] = {
        "logprobs": None,
        "finish_reason": None,
        "stop_reason": None,
        "prompt_token_ids": None,
        "token_ids": None,
    } | choice
    chunk = completion.CompletionStreamResponse(
        id="cmpl-1",
        object="text_completion",
        created=1,
        model="m",
        choices=[completion.CompletionResponseStreamChoice(index=0, text=text, **fields)],
    )
    return f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"


def body_of(event: payloads.Event) -> Any:
    assert event.payload is not None
    return json.loads(event.payload)


def strictly(type_: Any, body: Any) -> None:
    validate_type(type_=type_, value=body)


@pytest.mark.parametrize("delta", DELTAS, ids=repr)
def test_cutting_a_chat_chunk_gives_what_rebuilding_it_gives(delta: DeltaMessage) -> None:
    text = chat_chunk(delta)
    assert text.endswith(payloads.CHAT_TAIL), "vLLM ends its chunks in another way now: the fast path is never taken"
    body = body_of(payloads.chat_event(text))
    assert body == body_of(payloads._rebuilt_event(text, payloads._chat_chunk))
    assert body["choices"][0] == {
        "index": 0,
        "delta": delta.model_dump(exclude_unset=True),
        "logprobs": None,
        "finish_reason": None,
    }
    strictly(ChatCompletionChunk, body)


@pytest.mark.parametrize("text", TRICKY_TEXTS)
def test_cutting_a_completion_chunk_gives_what_rebuilding_it_gives(text: str) -> None:
    event = completion_chunk(text)
    assert event.endswith(payloads.COMPLETION_TAIL), "vLLM ends its chunks in another way now: the fast path is never taken"
    body = body_of(payloads.completion_event(event))
    assert body == body_of(payloads._rebuilt_event(event, payloads._completion_choice))
    assert body["choices"] == [{"index": 0, "text": text, "logprobs": None, "finish_reason": None}]


def test_the_first_chunk_has_a_role_and_a_refusal() -> None:
    chunk = chat_chunk(DeltaMessage(role="assistant", content=""))
    body = body_of(payloads.chat_event(chunk.replace(',"token_ids":null', "")))
    assert body["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    strictly(ChatCompletionChunk, body)


def test_the_last_chunk_loses_vllms_own_fields() -> None:
    body = body_of(payloads.chat_event(chat_chunk(DeltaMessage(), finish_reason="stop", stop_reason=200002)))
    assert body["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    strictly(ChatCompletionChunk, body)


def test_chunk_log_probabilities_get_the_field_that_the_schema_requires() -> None:
    body = body_of(payloads.chat_event(chat_chunk(DeltaMessage(content="a"), logprobs=LOGPROBS)))
    assert body["choices"][0]["logprobs"]["refusal"] is None
    assert body["choices"][0]["logprobs"]["content"][0]["token"] == "a"
    strictly(ChatCompletionChunk, body)


def test_the_usage_chunk_is_no_payload() -> None:
    chunk = chat.ChatCompletionStreamResponse(**ENVELOPE, choices=[], usage=USAGE)
    event = payloads.chat_event(f"data: {chunk.model_dump_json(exclude_unset=True, exclude_none=True)}\n\n")
    assert event.payload is None
    assert event.usage is not None
    assert event.usage["completion_tokens"] == 2


def test_the_end_marker_is_nothing() -> None:
    assert payloads.chat_event("data: [DONE]\n\n") == payloads.Event()


def test_an_error_event_is_an_error() -> None:
    event = payloads.chat_event('data: {"error": {"message": "m", "type": "t", "param": null, "code": 400}}\n\n')
    assert event.error == {"message": "m", "type": "t", "param": None, "code": 400}


def test_a_sequence_that_the_engine_gave_up_is_an_error_and_not_an_end() -> None:
    event = payloads.chat_event(chat_chunk(DeltaMessage(), finish_reason="abort", stop_reason=None))
    assert event.error is not None
    assert event.payload is None


@pytest.mark.parametrize(("reason", "shown"), [("stop", "stop"), ("length", "length"), ("repetition", "stop")])
def test_finish_reasons_are_openais(reason: str, shown: str) -> None:
    body = body_of(payloads.chat_event(chat_chunk(DeltaMessage(), finish_reason=reason)))
    assert body["choices"][0]["finish_reason"] == shown


def whole_chat(message: chat.ChatMessage, **choice: Any) -> Any:
    response = chat.ChatCompletionResponse(
        **ENVELOPE,
        choices=[chat.ChatCompletionResponseChoice(index=0, message=message, **choice)],
        usage=USAGE,
        system_fingerprint="fp",
        prompt_logprobs=None,
    )
    return json.loads(payloads.chat_body(response.model_dump()))


def test_a_whole_answer_has_openais_fields_only() -> None:
    body = whole_chat(chat.ChatMessage(role="assistant", content="hi"), stop_reason=5, token_ids=[1])
    assert body == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
    }
    strictly(ChatCompletion, body)


def test_reasoning_is_the_one_extension() -> None:
    body = whole_chat(chat.ChatMessage(role="assistant", content="hi", reasoning="hm"), logprobs=LOGPROBS)
    assert body["choices"][0]["message"]["reasoning"] == "hm"
    strictly(ChatCompletion, body)


def test_a_tool_call_has_no_empty_content() -> None:
    call = ToolCall(id="c1", function=FunctionCall(name="f", arguments="{}"))
    body = whole_chat(chat.ChatMessage(role="assistant", content="", tool_calls=[call]), finish_reason="tool_calls")
    message = body["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    strictly(ChatCompletion, body)


def test_an_echoed_prompts_first_token_has_numbers_where_the_schema_wants_numbers() -> None:
    logprobs = completion.CompletionLogProbs(
        text_offset=[0, 1], token_logprobs=[None, -1.0], tokens=["a", "b"], top_logprobs=[None, {"b": -1.0}]
    )
    response = completion.CompletionResponse(
        id="cmpl-1",
        created=1,
        model="m",
        choices=[completion.CompletionResponseChoice(index=0, text="ab", logprobs=logprobs, finish_reason="length")],
        usage=USAGE,
    )
    body = json.loads(payloads.completion_body(response.model_dump()))
    assert body["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [0.0, -1.0],
        "top_logprobs": [{}, {"b": -1.0}],
        "text_offset": [0, 1],
    }
    strictly(Completion, body)
