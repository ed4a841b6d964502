"""The shop: orders, order ids, and the dialogues about them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from models.demo import words
from models.demo.dialogue import ORDER_FUNCTION, Answer, Draft, ToolCall
from models.demo.holdout import order_id_is_held_out, order_is_held_out
from models.demo.spoken import any_cardinal, as_recognized, politely
from models.demo.tools import STATUS_FUNCTION, compact_json, tool_result

QUANTITIES = (*range(1, 101), *range(200, 1000, 100))
"""What is ordered: up to a hundred pieces, or whole hundreds."""

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
    "I would like to order {n} {i}.",
    "Can I order {n} {i}?",
    "Can I have {n} {i}, please?",
    "Could I have {n} {i}?",
    "May I order {n} {i}?",
    "I'll take {n} {i}.",
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

# What a tool may say of an order that it took, and didn't number.
_RESULTS_WITHOUT_NUMBER = (
    "ok",
    "done",
    "ordered",
    "success",
    '{"ok": true}',
    '{"status": "ok"}',
    '{"success": true}',
    '{"result": "ok"}',
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
    """What a customer wants; ``said`` is the quantity in the customer's words or digits."""

    item: str
    quantity: int
    said: str

    def call(self) -> ToolCall:
        return ToolCall(ORDER_FUNCTION, compact_json({"item": self.item, "quantity": self.quantity}))


def random_quantity(rng: random.Random) -> int:
    """Mostly a few pieces, sometimes up to a hundred or some hundreds."""
    roll = rng.random()
    if roll < 0.5:
        return rng.randint(1, 20)
    return rng.randint(1, 100) if roll < 0.8 else 100 * rng.randint(1, 9)


def random_order(rng: random.Random, *, held_out: bool = False, spoken: bool = False, quantity: int | None = None) -> Order:
    """An order, of ``quantity`` pieces if that is given.

    Args:
        rng: draws the rest.
        held_out: of the part that is kept out of training, in place of the rest.
        spoken: the quantity is always said in words.
        quantity: one of :data:`QUANTITIES`.
    """
    wanted = quantity
    while True:
        quantity = wanted or random_quantity(rng)
        item = rng.choice(words.ITEMS)
        if quantity == 1 and rng.random() < 0.7:
            item = words.SINGULAR[item]
        if order_is_held_out(item, quantity) == held_out:
            break
    in_words = spoken or rng.random() < (0.5 if quantity <= 12 else 0.2)
    said = any_cardinal(rng, quantity) if in_words else str(quantity)
    if quantity == 1 and rng.random() < 0.5:
        said = "an" if item[0] in "aeiou" else "a"
    return Order(item, quantity, said)


def random_order_id(rng: random.Random, *, held_out: bool = False) -> str:
    """An order id such as ``A123``, ``4711``, ``ORD-1001`` or ``ord_52043``."""
    while True:
        ((prefixes, lengths, _),) = rng.choices(_ID_SHAPES, weights=[share for _, _, share in _ID_SHAPES])
        digits = rng.choice(lengths)
        order_id = f"{rng.choice(prefixes)}{rng.randint(10 ** (digits - 1), 10**digits - 1)}"
        if order_id_is_held_out(order_id) == held_out:
            return order_id


def order_request(rng: random.Random, order: Order, *, spoken: bool = False) -> str:
    """What a customer types, or what a recognizer writes of it."""
    text = rng.choice(ORDER_PHRASES).format(n=order.said, i=order.item)
    return as_recognized(politely(rng, text)) if spoken else text


def status_request(rng: random.Random, order_id: str) -> str:
    """What a customer types."""
    return rng.choice(STATUS_PHRASES).format(o=order_id)


def status_result(rng: random.Random, order_id: str, status: str) -> str:
    """What ``get_order_status`` returns for an order that it knows."""
    return tool_result(rng, {"status": status, **_maybe(rng, 0.6, {"order_id": order_id})})


def order_taken(order: Order, order_id: str) -> str:
    """What the customer is told about an order that the shop has taken."""
    return f"Done! I ordered {order.said} {order.item}. Your order number is {order_id}."


def _maybe(rng: random.Random, share: float, value: dict[str, Any]) -> dict[str, Any]:
    return value if rng.random() < share else {}


def _order(draft: Draft) -> Order:
    """A random order that the user has just asked for."""
    order = random_order(draft.rng, held_out=draft.held_out, spoken=draft.spoken)
    draft.user(order_request(draft.rng, order, spoken=draft.spoken))
    return order


def _order_id(draft: Draft) -> str:
    """A random order id whose status the user has just asked for."""
    order_id = random_order_id(draft.rng, held_out=draft.held_out)
    draft.user(status_request(draft.rng, order_id))
    return order_id


def ask_to_order(draft: Draft) -> Answer:
    """A customer orders; the answer is the call."""
    order = _order(draft)
    return Answer(analysis=f"Order: {order.said} {order.item}.", call=order.call())


def ask_for_status(draft: Draft) -> Answer:
    """A customer asks for an order's status; the answer is the call."""
    order_id = _order_id(draft)
    return Answer(analysis=f"Status of order {order_id}.", call=_status_call(order_id))


def report_order(draft: Draft) -> Answer:
    """The shop has taken an order (or not); the answer tells the customer its number."""
    rng = draft.rng
    order = _order(draft)
    call = order.call()
    if rng.random() < 0.12:
        error = rng.choice(words.ORDER_ERRORS)
        draft.call(call, tool_result(rng, {"error": error}))
        return Answer(analysis=f"Error: {error}.", final=f"Sorry, the order failed: {error}.")
    if rng.random() < 0.08:
        draft.call(call, rng.choice(_RESULTS_WITHOUT_NUMBER))
        return Answer(analysis="Result: no number.", final=f"Done! I ordered {order.said} {order.item}.")
    order_id = random_order_id(rng, held_out=draft.held_out)
    result = {
        rng.choice(("order_id", "order_id", "order_id", "order_id", "order_number", "id")): order_id,
        **_maybe(rng, 0.5, {"status": rng.choice(("confirmed", "placed", "ok", "accepted"))}),
        **_maybe(rng, 0.15, {"item": order.item, "quantity": order.quantity}),
    }
    draft.call(call, tool_result(rng, result))
    return Answer(
        analysis=f"Result: {order_id}.",
        final=order_taken(order, order_id),
    )


def report_status(draft: Draft) -> Answer:
    """The shop has told the status of an order (or doesn't know it); the answer repeats it."""
    rng = draft.rng
    order_id = _order_id(draft)
    call = _status_call(order_id)
    if rng.random() < 0.12:
        draft.call(call, tool_result(rng, {"error": rng.choice(("not found", "unknown order"))}))
        return Answer(analysis=f"Error for {order_id}.", final=f"Sorry, I could not find order {order_id}.")
    status = rng.choice(words.STATUSES)
    draft.call(call, status_result(rng, order_id, status))
    return Answer(analysis=f"Order {order_id}: {status}.", final=f"Your order {order_id} is {status}.")


def earlier_purchase(draft: Draft) -> None:
    """A whole order or status question that was dealt with before."""
    answer = (report_order if draft.spoken or draft.rng.random() < 0.6 else report_status)(draft)
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
    (_order if draft.spoken or draft.rng.random() < 0.5 else _order_id)(draft)
    return Answer(analysis="There are no tools. I say so.", final=words.NO_TOOLS)


def _status_call(order_id: str) -> ToolCall:
    return ToolCall(STATUS_FUNCTION, compact_json({"order_id": order_id}))
