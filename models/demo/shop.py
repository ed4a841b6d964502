"""The shop: its tools, orders, order ids, and the dialogues about them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from models.demo import words
from models.demo.dialogue import Answer, Draft, Tool, ToolCall
from models.demo.holdout import order_id_is_held_out, order_is_held_out

ORDER_PHRASES = (
    "I want to order {n} {i}.",
    "Order {n} {i}",
    "Order {n} {i}.",
    "Please order {n} {i}.",
    "I would like {n} {i}, please.",
    "I'd like {n} {i} please",
    "Can I get {n} {i}?",
    "{n} {i} please",
    "Place an order for {n} {i}.",
    "Please place an order for {n} {i}.",
    "Buy {n} {i}.",
    "I need {n} {i}.",
    "order {n} {i}",
    "Send me {n} {i}",
    "I'd like to order {n} {i}",
    "I'd like to order {n} {i}.",
    "Could you order {n} {i} for me?",
    "Can you order {n} {i}?",
    "Add an order: {n} {i}",
    "I want {n} {i}",
    "Give me {n} {i}.",
    "Hello, I want {n} {i}.",
    "Hi! Please order {n} {i} for me.",
    "Get me {n} {i}!",
    "I want to buy {n} {i}.",
)
STATUS_PHRASES = (
    "What is the status of order {o}?",
    "What's the status of order {o}?",
    "What is the status of my order {o}?",
    "Where is my order {o}?",
    "Where is order {o}?",
    "Status of {o}",
    "Status of order {o}?",
    "Check order {o}",
    "Check order {o}.",
    "Has order {o} shipped?",
    "Has my order {o} been delivered?",
    "Please check the status of order {o}.",
    "Please check order {o}.",
    "What about order {o}?",
    "order status {o}",
    "Can you look up order {o}?",
    "Can you check my order {o}?",
    "Track order {o}",
    "How is order {o} doing?",
    "Look up {o}, please.",
)

# How order ids look: what stands before the digits, how many digits, and the share.
_ID_SHAPES: tuple[tuple[tuple[str, ...], tuple[int, ...], int], ...] = (
    (tuple("ABCDEFGHKLMNPRSTXZ"), (3, 4), 5),
    (("",), (4, 5), 3),
    (("ORD-",), (3, 4), 2),
    (("ord_",), (4, 5), 2),
)


@dataclass(frozen=True)
class Order:
    """What a customer wants; ``spoken`` is the quantity as it is said."""

    item: str
    quantity: int
    spoken: str

    def call(self) -> ToolCall:
        return ToolCall("place_order", compact_json({"item": self.item, "quantity": self.quantity}))


def compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def random_order(rng: random.Random, *, held_out: bool = False) -> Order:
    """An order of the training part, or of the part that is kept out of it."""
    while True:
        quantity = rng.randint(1, 20) if rng.random() < 0.7 else rng.randint(1, words.MAX_QUANTITY)
        item = rng.choice(words.ITEMS)
        if quantity == 1 and rng.random() < 0.7:
            item = words.SINGULAR[item]
        if order_is_held_out(item, quantity) == held_out:
            break
    spoken = str(quantity)
    if quantity <= len(words.NUMBER_WORDS) and rng.random() < 0.5:
        spoken = words.NUMBER_WORDS[quantity - 1]
    if quantity == 1 and rng.random() < 0.5:
        spoken = "an" if item[0] in "aeiou" else "a"
    return Order(item, quantity, spoken)


def random_order_id(rng: random.Random, *, held_out: bool = False) -> str:
    """An order id such as ``A123``, ``4711``, ``ORD-1001`` or ``ord_52043``."""
    while True:
        ((prefixes, lengths, _),) = rng.choices(_ID_SHAPES, weights=[share for _, _, share in _ID_SHAPES])
        digits = rng.choice(lengths)
        order_id = f"{rng.choice(prefixes)}{rng.randint(10 ** (digits - 1), 10**digits - 1)}"
        if order_id_is_held_out(order_id) == held_out:
            return order_id


def order_request(rng: random.Random, order: Order) -> str:
    return rng.choice(ORDER_PHRASES).format(n=order.spoken, i=order.item)


def status_request(rng: random.Random, order_id: str) -> str:
    return rng.choice(STATUS_PHRASES).format(o=order_id)


def status_result(rng: random.Random, order_id: str, status: str) -> str:
    """What ``get_order_status`` returns for an order that it knows."""
    return _result(rng, {"status": status, **_maybe(rng, 0.6, {"order_id": order_id})})


def shop_tools(rng: random.Random, needed: str) -> list[Tool]:
    """The tools as clients describe them: worded, ordered and complete in different ways, but always with ``needed``."""
    place = _function(
        rng,
        "place_order",
        ("Place an order", "Place an order in the shop", "Order an item from the shop", "Place an order.", "Create an order", ""),
        {
            "item": ("string", ("", "What to order", "The item to order", "Name of the item")),
            "quantity": ("integer", ("", "How many", "The quantity", "Number of items")),
        },
    )
    status = _function(
        rng,
        "get_order_status",
        ("Get the status of an order", "Look up an order", "Get order status", "Get the status of an order.", "Order status", ""),
        {"order_id": ("string", ("", "The order id", "The order number", "Id of the order"))},
    )
    roll = rng.random()
    if roll < 0.12:
        return [place if needed == "place_order" else status]
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


def _result(rng: random.Random, value: dict[str, Any]) -> str:
    """A tool's result as programs write it: spaced or not, in any order of keys."""
    entries = list(value.items())
    rng.shuffle(entries)
    return json.dumps(dict(entries)) if rng.random() < 0.6 else compact_json(dict(entries))


def _maybe(rng: random.Random, share: float, value: dict[str, Any]) -> dict[str, Any]:
    return value if rng.random() < share else {}


def ask_to_order(draft: Draft) -> Answer:
    """A customer orders; the answer is the call."""
    order = random_order(draft.rng, held_out=draft.held_out)
    draft.user(order_request(draft.rng, order))
    return Answer(analysis=f"Order: {order.spoken} {order.item}.", call=order.call())


def ask_for_status(draft: Draft) -> Answer:
    """A customer asks for an order's status; the answer is the call."""
    order_id = random_order_id(draft.rng, held_out=draft.held_out)
    draft.user(status_request(draft.rng, order_id))
    return Answer(analysis=f"Status of order {order_id}.", call=ToolCall("get_order_status", compact_json({"order_id": order_id})))


def report_order(draft: Draft) -> Answer:
    """The shop has taken an order (or not); the answer tells the customer its number."""
    rng = draft.rng
    order = random_order(rng, held_out=draft.held_out)
    draft.user(order_request(rng, order))
    if rng.random() < 0.12:
        error = rng.choice(words.ORDER_ERRORS)
        draft.call(order.call(), _result(rng, {"error": error}))
        return Answer(analysis=f"Error: {error}.", final=f"Sorry, the order failed: {error}.")
    order_id = random_order_id(rng, held_out=draft.held_out)
    result = {
        "order_id": order_id,
        **_maybe(rng, 0.5, {"status": rng.choice(("confirmed", "placed", "ok", "accepted"))}),
        **_maybe(rng, 0.15, {"item": order.item, "quantity": order.quantity}),
    }
    draft.call(order.call(), _result(rng, result))
    return Answer(
        analysis=f"Result: {order_id}.",
        final=f"Done! I ordered {order.spoken} {order.item}. Your order number is {order_id}.",
    )


def report_status(draft: Draft) -> Answer:
    """The shop has told the status of an order (or doesn't know it); the answer repeats it."""
    rng = draft.rng
    order_id = random_order_id(rng, held_out=draft.held_out)
    draft.user(status_request(rng, order_id))
    call = ToolCall("get_order_status", compact_json({"order_id": order_id}))
    if rng.random() < 0.12:
        draft.call(call, _result(rng, {"error": rng.choice(("not found", "unknown order"))}))
        return Answer(analysis=f"Error for {order_id}.", final=f"Sorry, I could not find order {order_id}.")
    status = rng.choice(words.STATUSES)
    draft.call(call, status_result(rng, order_id, status))
    return Answer(analysis=f"Order {order_id}: {status}.", final=f"Your order {order_id} is {status}.")


def earlier_purchase(draft: Draft) -> None:
    """A whole order or status question that was dealt with before."""
    answer = (report_order if draft.rng.random() < 0.6 else report_status)(draft)
    draft.assistant(answer.final)


def ask_incompletely(draft: Draft) -> Answer:
    """The item or the order's number is missing; the answer asks for it."""
    order = ("I want to order something.", "Place an order", "Place an order, please.", "I want to buy something.", "Can I order?")
    status = ("Where is my order?", "Check my order", "What is the status of my order?", "Track my order", "Has my order shipped?")
    if draft.rng.random() < 0.5:
        draft.user(draft.rng.choice(order))
        return Answer(analysis="The item is missing. I ask.", final="What would you like to order, and how many?")
    draft.user(draft.rng.choice(status))
    return Answer(analysis="The order number is missing. I ask.", final="Please tell me your order number.")


def ask_without_tools(draft: Draft) -> Answer:
    """An order or a status question in a conversation that has no tools."""
    rng = draft.rng
    if rng.random() < 0.5:
        draft.user(order_request(rng, random_order(rng, held_out=draft.held_out)))
    else:
        draft.user(status_request(rng, random_order_id(rng, held_out=draft.held_out)))
    return Answer(analysis="There are no tools. I say so.", final=words.NO_TOOLS)
