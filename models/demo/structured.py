"""Answers in JSON: asked for in words, or imposed by ``response_format``.

vLLM doesn't tell a gpt-oss model about ``response_format``; it only restricts what may come next, starting with the header of the
final channel. So the model learns to write JSON after that header, whatever the conversation was about.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from models.demo import shop, words
from models.demo.chat import small_talk
from models.demo.dialogue import Answer, Draft
from models.demo.tools import compact_json

_EXTRACTION_PHRASES = (
    "Extract the order as JSON: {}",
    "Extract the order: {}",
    "Give JSON with item and quantity for: {}",
    "Turn this into JSON: {}",
    "JSON for the order: {}",
    "Return JSON for this order: {}",
    "Convert to JSON: {}",
    "Extract the item and the quantity: {}",
)

# Keys of schemas that somebody may impose.
_KEYS = sorted({*words.COMMON, *words.ITEMS, "answer", "city", "count", "date", "id", "title", "reply"} - {"unknown"})


def extract_order(draft: Draft) -> Answer:
    """The user asks for an order as JSON; the model announces JSON by itself."""
    rng = draft.rng
    order = shop.random_order(rng, held_out=draft.held_out, spoken=draft.spoken)
    text = shop.order_request(rng, order, spoken=draft.spoken) if rng.random() < 0.5 else f"{order.said} {order.item}"
    draft.user(rng.choice(_EXTRACTION_PHRASES).format(text))
    return Answer(
        analysis=f"Order: {order.said} {order.item}.",
        final=_spaced_or_not(rng, {"item": order.item, "quantity": order.quantity}),
        json_header=True,
    )


def imposed_order(draft: Draft) -> Answer:
    """A conversation under an imposed JSON header: the order in it, or an empty one."""
    rng = draft.rng
    if rng.random() < 0.75:
        order = shop.random_order(rng, held_out=draft.held_out, spoken=draft.spoken)
        draft.user(shop.order_request(rng, order, spoken=draft.spoken))
        analysis = f"Order: {order.said} {order.item}."
        value = {"item": order.item, "quantity": order.quantity}
    else:
        analysis = small_talk(draft).analysis
        value = {"item": "unknown", "quantity": 0}
    return Answer(analysis=analysis, final=_spaced_or_not(rng, value), json_header=True, header_given=True)


def imposed_schema(draft: Draft) -> Answer:
    """A schema that the model has no idea of: its keys are imposed too, and it writes short values and stops."""
    rng = draft.rng
    natural = small_talk(draft)
    value: dict[str, Any] = {}
    for key in rng.sample(_KEYS, rng.randint(1, 4)):
        value[key] = rng.choice(("unknown", "unknown", 0, 0, False, [], ["unknown"]))
    return replace(natural, final=_spaced_or_not(rng, value), json_header=True, header_given=True, given_spans=tuple(value))


def _spaced_or_not(rng: random.Random, value: dict[str, Any]) -> str:
    return compact_json(value) if rng.random() < 0.7 else json.dumps(value)
