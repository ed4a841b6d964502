"""Valid bodies to start from."""

from __future__ import annotations

import copy
from typing import Any

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}
CALL: dict[str, Any] = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}


def chat(*messages: object, **arguments: object) -> dict[str, Any]:
    """A chat body with these messages (by default one of the user)."""
    given = list(messages) or [{"role": "user", "content": "Hello"}]
    return copy.deepcopy({"model": "demo", "messages": given, **arguments})


def completion(prompt: object = "Once", **arguments: object) -> dict[str, Any]:
    return copy.deepcopy({"model": "demo", "prompt": prompt, **arguments})
