"""Answers in OpenAI's JSON become messages, with nothing lost that messages have a field for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2
from cluster.edges.grpc.translate.responses import chunk, completion
from tests.unit.grpc.descriptors import leaves

TOKEN = {"token": "é", "logprob": -0.25, "bytes": [195, 169]}
LOGPROBS = {"content": [{**TOKEN, "top_logprobs": [TOKEN]}], "refusal": [{**TOKEN, "top_logprobs": [TOKEN]}]}
USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 5},
    "completion_tokens_details": {
        "reasoning_tokens": 6,
        "audio_tokens": 7,
        "accepted_prediction_tokens": 8,
        "rejected_prediction_tokens": 9,
    },
}
ENVELOPE = {
    "id": "chatcmpl-1",
    "created": 1_758_000_000,
    "model": "demo",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "usage": USAGE,
    "warnings": [{"code": "store_unavailable", "message": "Not stored.", "param": "store"}],
    "something_new": {"of": ["the", "engine"]},
}
TEXT = {"role": "assistant", "content": "c", "reasoning": "r", "refusal": "no"}
CALL = {"index": 3, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHOICE = {"index": 1, "finish_reason": "tool_calls", "logprobs": LOGPROBS}
BODY = {**ENVELOPE, "choices": [{**CHOICE, "message": {**TEXT, "tool_calls": [CALL]}}]}
CHUNK = {**ENVELOPE, "choices": [{**CHOICE, "delta": {**TEXT, "tool_calls": [CALL]}}]}
ONLY_IN_REQUESTS = {"choices.message.name", "choices.message.tool_call_id"}


def unset(message: Message) -> set[str]:
    return {name for path in leaves(message.DESCRIPTOR) if not any(found(message, path)) for name in [dotted(path)]}


def dotted(path: tuple[FieldDescriptor, ...]) -> str:
    return ".".join(field.name for field in path)


def found(message: Any, path: tuple[FieldDescriptor, ...]) -> Iterator[object]:
    held = getattr(message, path[0].name)
    for value in held if path[0].is_repeated else [held]:
        if len(path) > 1:
            yield from found(value, path[1:])
        else:
            yield value


def test_every_field_of_a_whole_answer_is_filled() -> None:
    parts = {name for name in unset(completion(encoded(BODY))) if "content_parts" in name}
    assert unset(completion(encoded(BODY))) == ONLY_IN_REQUESTS | parts


def test_every_field_of_a_chunk_is_filled() -> None:
    assert unset(chunk(encoded(CHUNK))) == set()


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_values_arrive_unchanged() -> None:
    piece = chunk(encoded(CHUNK))
    choice = piece.choices[0]
    call = choice.delta.tool_calls[0]
    assert (call.index, call.id, call.name, call.arguments) == (3, "call_1", "f", "{}")
    assert (choice.finish_reason, choice.delta.role) == (chat_pb2.FINISH_REASON_TOOL_CALLS, message_pb2.ROLE_ASSISTANT)
    assert piece.service_tier == chat_pb2.SERVICE_TIER_DEFAULT
    token = choice.logprobs.content[0]
    assert (token.token, token.logprob, token.token_bytes) == ("é", -0.25, "é".encode())
    assert piece.usage.completion_tokens_details.rejected_prediction_tokens == 9


def test_nulls_and_absent_fields_are_absent() -> None:
    text = {"index": 0, "delta": {"content": None}, "finish_reason": None, "logprobs": None}
    piece = chunk(encoded({"id": "a", "created": 1, "model": "m", "choices": [text], "usage": None, "service_tier": None}))
    assert not piece.HasField("usage")
    assert not piece.HasField("service_tier")
    assert not piece.choices[0].HasField("logprobs")
    assert not piece.choices[0].delta.HasField("content")
    assert piece.choices[0].finish_reason == chat_pb2.FINISH_REASON_UNSPECIFIED


def test_empty_text_is_told_from_none() -> None:
    piece = chunk(encoded({"id": "a", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": ""}}]}))
    assert piece.choices[0].delta.HasField("content")


def test_names_that_the_enums_lack_become_unspecified() -> None:
    piece = chunk(encoded({**CHUNK, "service_tier": "gold", "choices": [{"index": 0, "delta": {}, "finish_reason": "asleep"}]}))
    assert (piece.service_tier, piece.choices[0].finish_reason) == (0, 0)


@pytest.mark.parametrize("wrong", [b"", b"{}", b"[]", b'{"id": 1}', b"\xff"])
def test_what_is_no_answer_is_an_error(wrong: bytes) -> None:
    for translate in (completion, chunk):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            translate(wrong)


def test_no_piece_of_a_stream_is_an_empty_message() -> None:
    """The edge drops empty ones: they only carry a call's status."""
    least = chunk(encoded({"id": "a", "created": 0, "model": "", "choices": []}))
    assert least.SerializeToString() != b""
