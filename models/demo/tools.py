"""The shop's functions as clients describe them, in chat requests and in realtime sessions."""

from __future__ import annotations

import json
import random
from typing import Any

from models.demo import words
from models.demo.dialogue import ORDER_FUNCTION, Tool

STATUS_FUNCTION = "get_order_status"


def shop_tools(rng: random.Random, needed: str) -> list[Tool]:
    """The tools as clients describe them: worded, ordered and complete in different ways, but always with ``needed``."""
    place = _function(
        rng,
        ORDER_FUNCTION,
        ("Place an order", "Place an order in the shop", "Order an item from the shop", "Place an order.", "Create an order", ""),
        {
            "item": ("string", ("", "What to order", "The item to order", "Name of the item")),
            "quantity": ("integer", ("", "How many", "The quantity", "Number of items")),
        },
    )
    status = _function(
        rng,
        STATUS_FUNCTION,
        ("Get the status of an order", "Look up an order", "Get order status", "Get the status of an order.", "Order status", ""),
        {"order_id": ("string", ("", "The order id", "The order number", "Id of the order"))},
    )
    roll = rng.random()
    if roll < 0.12:
        return [status if needed == STATUS_FUNCTION else place]
    tools = [place, status] if roll < 0.65 else [status, place]
    if rng.random() < 0.12:
        other = _function(
            rng,
            rng.choice(("cancel_order", "search_items", "get_weather", "get_time")),
            ("Another function", "Search", "Cancel an order", "Get the weather"),
            {rng.choice(("order_id", "query", "city")): ("string", ("",))},
        )
        tools.insert(rng.randrange(3), other)
    return tools


def compact_json(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def tool_result(rng: random.Random, value: dict[str, Any]) -> str:
    """A tool's result as programs write it: spaced or not, in any order of keys."""
    entries = list(value.items())
    rng.shuffle(entries)
    return json.dumps(dict(entries)) if rng.random() < 0.6 else compact_json(dict(entries))


def _function(
    rng: random.Random, name: str, descriptions: tuple[str, ...], parameters: dict[str, tuple[str, tuple[str, ...]]]
) -> Tool:
    def described(text: str) -> dict[str, str]:
        return {"description": text} if text else {}

    properties: dict[str, Any] = {}
    documented = rng.random() < 0.4
    for parameter, (kind, texts) in parameters.items():
        properties[parameter] = {"type": kind, **described(rng.choice(texts) if documented else "")}
        if kind == "integer" and rng.random() < 0.15:
            properties[parameter]["minimum"] = 1
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(parameters)}
    function: dict[str, Any] = {"name": name, "parameters": schema}
    description = rng.choice(descriptions)
    if rng.random() < 0.1:
        description = " ".join(rng.choices(words.COMMON, k=rng.randint(2, 9)))
    function |= described(description)
    if rng.random() < 0.3:
        function["strict"] = True
        schema["additionalProperties"] = False
    return {"type": "function", "function": function}
