"""From stored completions in OpenAI's JSON to messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cluster.edges.grpc.generated.ossature.v1 import chat_pb2, message_pb2, stored_completions_pb2, tool_pb2
from cluster.edges.grpc.translate import enums, responses
from cluster.edges.grpc.translate.nesting import flattened
from cluster.edges.grpc.translate.shapes import filled

_NUMBERS: Final = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "parallel_tool_calls")


def stored_completion(body: bytes) -> stored_completions_pb2.StoredCompletion:
    """A ``chat.completion`` object as it is kept."""
    kept: dict[str, Any] = msgspec.json.decode(body)
    return stored_completions_pb2.StoredCompletion(
        completion=responses.completion(body),
        metadata=kept["metadata"],
        request_id=kept["request_id"],
        arguments=_arguments(kept),
    )


def stored_message(body: bytes) -> stored_completions_pb2.StoredCompletionMessage:
    """A message of a request, with its id."""
    kept: dict[str, Any] = msgspec.json.decode(body)
    message = message_pb2.ChatMessage(role=enums.ROLE.by_name.get(kept["role"], 0))  # type: ignore[arg-type]
    if kept["content_parts"] is not None:
        message.content_parts.parts.extend(_part(part) for part in kept["content_parts"])
    elif kept["content"] is not None:
        message.content = kept["content"]
    for name in ("name", "tool_call_id", "refusal", "reasoning"):
        if kept.get(name) is not None:
            setattr(message, name, kept[name])
    for call in kept.get("tool_calls") or ():
        function = call["function"]
        message.tool_calls.add(
            id=call["id"], function=message_pb2.FunctionCall(name=function["name"], arguments=function["arguments"])
        )
    return stored_completions_pb2.StoredCompletionMessage(id=kept["id"], message=message)


def _part(part: Mapping[str, Any]) -> message_pb2.ContentPart:
    if part["type"] == "text":
        return message_pb2.ContentPart(text=part["text"])
    image = message_pb2.ImageContent(url=part["image_url"]["url"])
    if part["image_url"].get("detail") is not None:
        image.detail = enums.IMAGE_DETAIL.by_name.get(part["image_url"]["detail"], 0)  # type: ignore[assignment]
    return message_pb2.ContentPart(image=image)


def _arguments(kept: Mapping[str, Any]) -> chat_pb2.CreateChatCompletionRequest:
    arguments = chat_pb2.CreateChatCompletionRequest()
    for name in _NUMBERS:
        if name in kept:
            setattr(arguments, name, kept[name])
    most = kept.get("max_completion_tokens", kept.get("max_tokens"))
    if most is not None:
        arguments.max_completion_tokens = most
    if "reasoning_effort" in kept:
        arguments.reasoning_effort = enums.REASONING_EFFORT.by_name.get(kept["reasoning_effort"], 0)  # type: ignore[assignment]
    for tool in kept.get("tools", ()):
        filled(arguments.tools.add(), tool)
    if "tool_choice" in kept:
        _put_tool_choice(arguments.tool_choice, kept["tool_choice"])
    if "response_format" in kept:
        filled(arguments.response_format, flattened(kept["response_format"]))
    return arguments


def _put_tool_choice(choice: tool_pb2.ToolChoice, kept: Any) -> None:
    if isinstance(kept, str):
        choice.mode = enums.TOOL_CHOICE_MODE.by_name.get(kept, 0)  # type: ignore[assignment]
    elif kept["type"] == "function":
        choice.function.name = kept["function"]["name"]
    else:
        allowed = kept["allowed_tools"]
        choice.allowed_tools.mode = enums.TOOL_CHOICE_MODE.by_name.get(allowed["mode"], 0)  # type: ignore[assignment]
        for tool in allowed["tools"]:
            choice.allowed_tools.functions.add(name=tool["function"]["name"])
