"""From items to the chat request that the model answers.

An item always renders to the same message, and messages stand in the order of the items: a conversation that goes on begins with
the bytes that it had, so that the model finds it in its prompt cache. What was interrupted renders as the words that were heard.
"""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.realtime.protocol.session_objects import Reasoning
from cluster.realtime.protocol.tools import FunctionChoice, FunctionTool, Tool, ToolChoice
from cluster.realtime.session.items import StoredItem, StoredPart

INAUDIBLE: Final = "[inaudible]"
"""Stands for audio in which no words were recognized."""

_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_RATE_HZ: Final = 24_000
_HEARING = RequestLimits(content_parts=frozenset({"text", "input_audio"}))
_READING = RequestLimits()


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is asked with, beside the conversation: the session's settings under a response's overrides.

    ``cache_key`` keeps the turns of one session on the replica that knows their beginning.
    """

    model: str
    instructions: str
    cache_key: str
    tools: Sequence[Tool] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    model_hears: bool = False


def chat_request(asked: Asked, items: Iterable[StoredItem]) -> ChatCompletionRequest:
    """The request. Raises :class:`~cluster.errors.InvalidRequest` for what no model here takes."""
    body: dict[str, Any] = {
        "model": asked.model,
        "messages": messages(asked.instructions, items, model_hears=asked.model_hears),
        "stream": True,
        "stream_options": {"include_usage": True},
        "prompt_cache_key": asked.cache_key,
    }
    tools = [_tool(tool) for tool in asked.tools if isinstance(tool, FunctionTool)]
    if tools:
        body["tools"] = tools
        body["tool_choice"] = _choice(asked.tool_choice)
        if asked.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = asked.parallel_tool_calls
    if asked.max_output_tokens is not None:
        body["max_completion_tokens"] = asked.max_output_tokens
    if asked.temperature is not None:
        body["temperature"] = asked.temperature
    if asked.reasoning is not None and isinstance(asked.reasoning.effort, str):
        body["reasoning_effort"] = asked.reasoning.effort
    return ChatCompletionRequest.parse(body, limits=_HEARING if asked.model_hears else _READING)


def messages(instructions: str, items: Iterable[StoredItem], *, model_hears: bool = False) -> list[dict[str, Any]]:
    """Chat messages of the items that the model is given."""
    rendered: list[dict[str, Any]] = [{"role": "system", "content": instructions}]
    calls: set[str] = set()
    answering: str | None = None  # the response whose message stands last
    for item in items:
        if item.forgotten:
            continue
        if item.kind == "function_call":
            if item.status == "completed":
                _add_call(rendered, item, merge=item.response_id is not None and item.response_id == answering)
                calls.add(item.call_id)
                answering = item.response_id
            continue
        message = _message(item, calls, model_hears=model_hears)
        if message is not None:
            rendered.append(message)
            answering = item.response_id if item.role == "assistant" else None
    return rendered


def heard_text(item: StoredItem) -> str:
    """The words of an assistant's message that its user knows of."""
    text = "".join(part.text if part.type == "output_text" else part.transcript or "" for part in item.parts)
    if item.heard_chars is None:
        return text
    spoken = item.spoken.text if item.spoken is not None else text
    return spoken[: item.heard_chars]


def _message(item: StoredItem, calls: set[str], *, model_hears: bool) -> dict[str, Any] | None:
    if item.kind == "function_call_output":
        # Its call may have been deleted or dropped: no template could place it then.
        return {"role": "tool", "tool_call_id": item.call_id, "content": item.output} if item.call_id in calls else None
    if item.role == "assistant":
        text = heard_text(item)
        return {"role": "assistant", "content": text} if text else None
    if item.role == "system":
        return {"role": "system", "content": "\n".join(part.text for part in item.parts)}
    parts = [_user_part(part, model_hears=model_hears) for part in item.parts]
    if all(part["type"] == "text" for part in parts):
        return {"role": "user", "content": "\n".join(part["text"] for part in parts)}
    return {"role": "user", "content": parts}


def _user_part(part: StoredPart, *, model_hears: bool) -> dict[str, Any]:
    if part.type == "input_text":
        return {"type": "text", "text": part.text}
    if model_hears and part.audio:
        return {"type": "input_audio", "input_audio": {"data": base64.b64encode(_wav(bytes(part.audio))).decode(), "format": "wav"}}
    return {"type": "text", "text": part.transcript or INAUDIBLE}


def _add_call(rendered: list[dict[str, Any]], item: StoredItem, *, merge: bool) -> None:
    """Calls of one response are one message, as the model made them."""
    call = {
        "id": item.call_id,
        "type": "function",
        "function": {"name": _BAD_NAME.sub("_", item.name)[:64] or "_", "arguments": _arguments(item.arguments)},
    }
    if merge:
        rendered[-1].setdefault("tool_calls", []).append(call)
    else:
        rendered.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _arguments(text: str) -> str:
    """Templates read arguments as a JSON object, and fail the whole conversation on anything else."""
    try:
        if isinstance(msgspec.json.decode(text), dict):
            return text
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        pass
    return msgspec.json.encode({"arguments": text.encode("utf-8", "replace").decode()}).decode()


def _tool(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if isinstance(tool.description, str):
        function["description"] = tool.description
    if isinstance(tool.parameters, dict):
        function["parameters"] = tool.parameters
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> object:
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, FunctionChoice) else choice


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_RATE_HZ)
        writer.writeframes(pcm)
    return file.getvalue()
