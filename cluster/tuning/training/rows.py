"""Rows of training files: JSON lines, read one at a time, with messages in the shape that chat templates render.

A supervised row::

    {"prompt": [message…], "completion": [message], "tools": […], "images": [{"data": base64, "media_type": …}]}

A row of preferences has ``chosen`` and ``rejected`` in place of ``completion``, a list of one message each, and no images. A part
``{"type": "image"}`` of a user message stands for the next of ``images``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.tuning.training.errors import InvalidRow

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SupervisedRow:
    """``completion`` is trained, ``prompt`` is what it follows. ``images`` are encoded files, in the order of their places."""

    prompt: list[Message]
    completion: Message
    tools: list[dict[str, Any]] | None
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    prompt: list[Message]
    chosen: Message
    rejected: Message
    tools: list[dict[str, Any]] | None


def lines(path: Path) -> Iterator[tuple[int, int, str]]:
    """Line number from 1, byte offset and text of each line that isn't blank."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.strip():
                yield number, offset, raw.decode("utf-8")
            offset += len(raw)


def line_at(path: Path, offset: int) -> str:
    """The line that begins at byte ``offset``."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.readline().decode("utf-8")


def supervised(number: int, text: str) -> SupervisedRow:
    """Parse one line.

    Raises:
        InvalidRow: it is no supervised row.
    """
    row = _object(number, text)
    tools, prompt = _tools(number, row), _messages(number, row, "prompt")
    images = tuple(_image(number, place, image) for place, image in enumerate(row.get("images") or ()))
    parts = [part for message in prompt if isinstance(message["content"], list) for part in message["content"]]
    places = sum(part["type"] == "image" for part in parts)
    if places != len(images):
        raise InvalidRow(number, f"{places} places for images, {len(images)} images")
    return SupervisedRow(prompt, _one(number, row, "completion"), tools, images)


def preference(number: int, text: str) -> PreferenceRow:
    """Parse one line.

    Raises:
        InvalidRow: it is no row of preferences.
    """
    row = _object(number, text)
    if row.get("images"):
        raise InvalidRow(number, "rows of preferences have no images")
    return PreferenceRow(
        _messages(number, row, "prompt"), _one(number, row, "chosen"), _one(number, row, "rejected"), _tools(number, row)
    )


def _object(number: int, text: str) -> Mapping[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise InvalidRow(number, f"no JSON: {error}") from error
    if not isinstance(row, dict):
        raise InvalidRow(number, "no JSON object")
    return row


def _tools(number: int, row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    tools = row.get("tools")
    if tools and not isinstance(tools, list):
        raise InvalidRow(number, "tools is no list")
    return tools or None


def _messages(number: int, row: Mapping[str, Any], key: str) -> list[Message]:
    messages = row.get(key)
    if not isinstance(messages, list) or not messages:
        raise InvalidRow(number, f"{key} is no list of messages")
    return [_message(number, message, f"{key}.{place}") for place, message in enumerate(messages)]


def _one(number: int, row: Mapping[str, Any], key: str) -> Message:
    messages = _messages(number, row, key)
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise InvalidRow(number, f"{key} is no single message of the assistant")
    return messages[0]


def _message(number: int, message: object, where: str) -> Message:
    """A message that templates take: text as a string, arguments of tool calls as objects, and no field without a value."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise InvalidRow(number, f"{where} is no message")
    normal = {key: value for key, value in message.items() if key not in ("weight", "refusal") and value is not None}
    content = message.get("content")
    if content is None:
        content = message.get("refusal") or ""
    if isinstance(content, list):
        parts = [_part(number, part, where) for part in content]
        has_images = any(part["type"] == "image" for part in parts)
        if has_images and message["role"] != "user":
            raise InvalidRow(number, f"{where}: only user messages have images")
        content = parts if has_images else "".join(part["text"] for part in parts)
    elif not isinstance(content, str):
        raise InvalidRow(number, f"{where}.content is neither text nor a list of parts")
    normal["content"] = content
    if message.get("tool_calls"):
        normal["tool_calls"] = [_tool_call(number, call, where) for call in message["tool_calls"]]
    return normal


def _part(number: int, part: object, where: str) -> dict[str, Any]:
    if isinstance(part, dict):
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            return {"type": "text", "text": part["text"]}
        if part.get("type") == "image":
            return {"type": "image"}
    raise InvalidRow(number, f"{where}: a part is neither text nor a place for an image")


def _tool_call(number: int, call: object, where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        raise InvalidRow(number, f"{where}: a tool call names no function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        # A template writes an object as JSON; a string it would write as JSON inside a string.
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
            raise InvalidRow(number, f"{where}: arguments of a tool call are no JSON") from error
    if not isinstance(arguments, dict):
        raise InvalidRow(number, f"{where}: arguments of a tool call are no JSON object")
    return {**call, "function": {**function, "arguments": arguments}}


def _image(number: int, place: int, image: object) -> bytes:
    data = image.get("data") if isinstance(image, dict) else None
    if not isinstance(data, str):
        raise InvalidRow(number, f"images.{place} has no data")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise InvalidRow(number, f"images.{place}: its data is no base64") from error
