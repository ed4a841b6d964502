"""From a stored completion to a line of a fine-tuning file in the chat format.

The teacher's answer is what is to be learned. Assistant messages of the prompt came from the client and get ``"weight": 0``: each
of them was an answer of its own, with a line of its own, if it was to be learned from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cluster.completions.capture import DROPPED_IMAGES

_CALL_KEYS = ("id", "type", "function")
_PROMPT_KEYS = ("role", "content", "refusal", "name", "tool_call_id", "function_call")
_PART_TYPES = ("text", "image_url", "refusal")


class LeftOut(StrEnum):
    """Why a stored completion is no example."""

    NO_ANSWER = "no_answer"
    """The answer has neither content nor calls of tools: it only thought, or it is empty."""
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    """It ended at the token limit: learning from it would teach to stop in mid-sentence."""
    FILTERED = "content_filtered"
    IMAGE_DROPPED = "image_dropped"
    """An image of the prompt was too large to be stored."""
    UNSUPPORTED_CONTENT = "unsupported_content"
    """The prompt has audio or files, which training files can't hold."""
    INVALID_TOOL_ARGUMENTS = "invalid_tool_arguments"
    """A call's arguments are no JSON object."""
    UNANSWERED_TOOL_CALL = "unanswered_tool_call"
    """A call in the prompt is not followed by its result."""


def training_example(request: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any] | LeftOut:
    """The line's object, of the first choice; or why there is none."""
    if request.get(DROPPED_IMAGES):
        return LeftOut.IMAGE_DROPPED
    choice = response["choices"][0]
    answer = choice["message"]
    problem = _answer_problem(choice, answer) or _prompt_problem(request["messages"])
    if problem is not None:
        return problem
    learned: dict[str, Any] = {"role": "assistant", "content": answer.get("content") or None}
    if answer.get("tool_calls"):
        learned["tool_calls"] = [_call(call) for call in answer["tool_calls"]]
    if learned["content"] is None:
        del learned["content"]
    example: dict[str, Any] = {"messages": [*map(_prompt_message, request["messages"]), learned]}
    if request.get("tools"):
        example["tools"] = request["tools"]
        if request.get("parallel_tool_calls") is not None:
            example["parallel_tool_calls"] = request["parallel_tool_calls"]
    return example


def _answer_problem(choice: Mapping[str, Any], answer: Mapping[str, Any]) -> LeftOut | None:
    if answer.get("refusal"):
        return LeftOut.REFUSED
    if choice["finish_reason"] == "length":
        return LeftOut.CUT_OFF
    if choice["finish_reason"] == "content_filter":
        return LeftOut.FILTERED
    calls = answer.get("tool_calls") or []
    if not answer.get("content") and not calls:
        return LeftOut.NO_ANSWER
    return None if all(map(_has_object_arguments, calls)) else LeftOut.INVALID_TOOL_ARGUMENTS


def _prompt_problem(messages: list[dict[str, Any]]) -> LeftOut | None:
    open_calls: set[str] = set()
    for message in messages:
        content = message.get("content")
        if message.get("audio") or (isinstance(content, list) and any(part["type"] not in _PART_TYPES for part in content)):
            return LeftOut.UNSUPPORTED_CONTENT
        if message["role"] == "tool":
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            return LeftOut.UNANSWERED_TOOL_CALL
        for call in message.get("tool_calls") or ():
            if not _has_object_arguments(call):
                return LeftOut.INVALID_TOOL_ARGUMENTS
            open_calls.add(call["id"])
    return LeftOut.UNANSWERED_TOOL_CALL if open_calls else None


def _prompt_message(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: message[name] for name in _PROMPT_KEYS if name in message}
    kept = {name: value for name, value in kept.items() if value is not None}
    if isinstance(kept.get("content"), list):
        kept["content"] = [{key: part[key] for key in part if key != "prompt_cache_breakpoint"} for part in kept["content"]]
    if message.get("tool_calls"):
        kept["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    if message["role"] == "assistant":
        kept["weight"] = 0
        if not kept.keys() & {"content", "refusal", "tool_calls", "function_call"}:
            # It only thought, and training files have no place for that.
            kept["content"] = ""
    return kept


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name: call[name] for name in _CALL_KEYS}


def _has_object_arguments(call: Mapping[str, Any]) -> bool:
    try:
        return isinstance(json.loads(call["function"]["arguments"]), dict)
    except ValueError:
        return False
