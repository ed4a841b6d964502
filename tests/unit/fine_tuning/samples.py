"""Training lines that are right, to be made wrong in one place each."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def call(call_id: str, city: str = "Oslo") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}


def chat() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Say hi."}, {"role": "assistant", "content": "Hi."}]}


def with_tools() -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Oslo and Rome?", "name": "kim"},
            {"role": "assistant", "content": None, "tool_calls": [call("a", "Oslo"), call("b", "Rome")]},
            {"role": "tool", "tool_call_id": "b", "content": "20"},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "rain"}]},
            {"role": "assistant", "content": "4 and 20."},
        ],
        "tools": [WEATHER],
        "parallel_tool_calls": True,
    }


def preference() -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": "Say hi."}]},
        "preferred_output": [{"role": "assistant", "content": "Hi."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    file = BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def with_images(*urls: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": "What is it?"}]
    parts += [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A square."}]}


def changed(example: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The example as a line, after ``change`` has been at it."""
    example = copy.deepcopy(example)
    change(example)
    return json.dumps(example).encode()
