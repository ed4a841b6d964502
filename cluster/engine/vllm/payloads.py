"""vLLM's answers → finished JSON objects of OpenAI's shape.

vLLM's objects carry fields of its own (``token_ids``, ``stop_reason``, ``prompt_logprobs``, …) and miss some that OpenAI's schema
requires (``refusal``). Whole answers are rebuilt once. Of a stream's chunks nearly all differ from OpenAI's shape in one place, at
their end, so that place is cut out of the bytes; only first and last chunks and those with log probabilities are rebuilt.
``reasoning`` on messages and deltas is the one extension that is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

DATA: Final = "data: "
DONE: Final = "data: [DONE]"
END: Final = "\n\n"

CHAT_TAIL: Final = '"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n'
"""How vLLM ends a chat chunk from the middle of a stream. Nothing in a string can look like it: quotes are escaped there."""
CHAT_CUT: Final = ',"token_ids":null}]}\n\n'

COMPLETION_TAIL: Final = '"logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]}\n\n'
COMPLETION_CUT: Final = ',"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]}\n\n'

FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})
ENVELOPE: Final = ("id", "object", "created", "model", "service_tier", "system_fingerprint")


class Event(msgspec.Struct, frozen=True):
    """One event of vLLM's stream, understood. Exactly one field is set, or none (end marker)."""

    payload: bytes | None = None
    usage: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


def chat_event(text: str) -> Event:
    """An event of a chat stream."""
    if text.endswith(CHAT_TAIL):
        return Event(payload=(text[len(DATA) : -len(CHAT_CUT)] + "}]}").encode())
    return _rebuilt_event(text, _chat_chunk)


def completion_event(text: str) -> Event:
    """An event of a text completion stream."""
    if text.endswith(COMPLETION_TAIL):
        return Event(payload=(text[len(DATA) : -len(COMPLETION_CUT)] + "}]}").encode())
    return _rebuilt_event(text, _completion_choice)


def chat_body(response: Mapping[str, Any]) -> bytes:
    """A whole chat answer (vLLM's response object as a dictionary), without usage."""
    return _encode(response, [_chat_choice(choice) for choice in response["choices"]])


def completion_body(response: Mapping[str, Any]) -> bytes:
    """A whole text completion, without usage."""
    return _encode(response, [_completion_choice(choice) for choice in response["choices"]])


def aborted(response: Mapping[str, Any]) -> bool:
    """Whether the engine gave a sequence up (it is shutting down), which is no finish reason for a client."""
    return any(choice.get("finish_reason") == "abort" for choice in response["choices"])


def _rebuilt_event(text: str, choice: Any) -> Event:
    if text.startswith(DONE):
        return Event()
    chunk = msgspec.json.decode(text[len(DATA) : -len(END)])
    if "error" in chunk:
        return Event(error=chunk["error"])
    if not chunk["choices"]:
        return Event(usage=chunk["usage"])
    if aborted(chunk):
        return Event(error={"code": 500, "type": "Aborted", "message": "the engine gave the sequence up"})
    return Event(payload=_encode(chunk, [choice(each) for each in chunk["choices"]]))


def _encode(response: Mapping[str, Any], choices: list[dict[str, Any]]) -> bytes:
    kept = {name: response[name] for name in ENVELOPE if response.get(name) is not None}
    return msgspec.json.encode({**kept, "choices": choices})


def _chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    rebuilt: dict[str, Any] = {"role": "assistant", "content": message.get("content"), "refusal": message.get("refusal")}
    if message.get("reasoning") is not None:
        rebuilt["reasoning"] = message["reasoning"]
    if message.get("tool_calls"):
        rebuilt["tool_calls"] = message["tool_calls"]
        rebuilt["content"] = rebuilt["content"] or None
    return {
        "index": choice["index"],
        "message": rebuilt,
        "logprobs": _chat_logprobs(choice.get("logprobs")),
        "finish_reason": finish_reason_shown(choice.get("finish_reason") or "stop"),
    }


def _chat_chunk(choice: Mapping[str, Any]) -> dict[str, Any]:
    delta = {name: value for name, value in choice["delta"].items() if value is not None}
    if "role" in delta:
        delta["refusal"] = None
    return {
        "index": choice["index"],
        "delta": delta,
        "logprobs": _chat_logprobs(choice.get("logprobs")),
        "finish_reason": finish_reason_shown(choice.get("finish_reason")),
    }


def _chat_logprobs(logprobs: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if logprobs is None else {"content": logprobs.get("content"), "refusal": None}


def _completion_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "index": choice["index"],
        "text": choice["text"],
        "logprobs": _completion_logprobs(choice.get("logprobs")),
        "finish_reason": finish_reason_shown(choice.get("finish_reason")),
    }


def _completion_logprobs(logprobs: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The first token of an echoed prompt follows nothing and has no probability; the schema has no null there, so it is 0."""
    if logprobs is None:
        return None
    return {
        "tokens": logprobs["tokens"],
        "token_logprobs": [0.0 if value is None else value for value in logprobs["token_logprobs"]],
        "top_logprobs": [{} if value is None else value for value in logprobs["top_logprobs"]],
        "text_offset": logprobs["text_offset"],
    }


def finish_reason_shown(reason: str | None) -> str | None:
    """vLLM ends runs of repetition with a reason of its own: to OpenAI's clients that is a stop."""
    return reason if reason is None or reason in FINISH_REASONS else "stop"
