"""What the tiny models talk about: customers' messages to a shop.

The task that is distilled is to sort a message into ``{"intent": …, "item": …, "urgent": …}``. The teacher has learned it. The
student has learned its parts (to name the item, the wish, whether it hurries, to write JSON from a list), each under another
instruction, and never the whole.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

ITEMS = ("lamp", "chair", "table", "clock", "radio", "kettle", "mirror", "camera", "jacket", "guitar", "blanket", "bicycle")
OPENINGS = ("", "Hello, ", "Hi there, ", "Good morning, ", "Excuse me, ")
CALM = ("", " Thank you.", " There is no hurry.", " Have a nice day.")
HURRIED = (" Please hurry!", " I need an answer today.", " This is urgent.", " It can not wait.")
MESSAGES = {
    "refund": (
        "I want my money back for the {item}.",
        "please pay me back for the {item}.",
        "I expect a refund for my {item}.",
    ),
    "repair": (
        "the {item} is broken, can you fix it?",
        "can you repair my {item}?",
        "my {item} stopped working, please mend it.",
    ),
    "return": (
        "I would like to send the {item} back.",
        "how do I return the {item}?",
        "I do not like the {item} and will send it back.",
    ),
    "track": (
        "where is my {item}?",
        "when will the {item} arrive?",
        "the {item} has not come yet, where is it?",
    ),
    "cancel": (
        "please cancel my order of the {item}.",
        "I do not need the {item} any more, stop the order.",
        "I changed my mind, do not ship the {item}.",
    ),
}
INSTRUCTION = "Sort the message."
NAME_ITEM, NAME_WISH, IS_URGENT, MAKE_JSON = "Name the item.", "Name the wish.", "Is it urgent?", "Make JSON."


@dataclass(frozen=True, slots=True)
class Customer:
    text: str
    intent: str
    item: str
    urgent: bool

    @property
    def sorted(self) -> str:
        """The answer to :data:`INSTRUCTION`."""
        return json.dumps({"intent": self.intent, "item": self.item, "urgent": self.urgent})


def customer(rng: random.Random) -> Customer:
    """Someone with a wish."""
    intent = rng.choice(list(MESSAGES))
    item, urgent = rng.choice(ITEMS), rng.random() < 0.5
    text = rng.choice(OPENINGS) + rng.choice(MESSAGES[intent]).format(item=item) + rng.choice(HURRIED if urgent else CALM)
    return Customer(text[0].upper() + text[1:], intent, item, urgent)


def customers(seed: int, count: int, *, other_than: tuple[Customer, ...] = ()) -> tuple[Customer, ...]:
    """``count`` different ones, none of ``other_than``. There are some 7,000."""
    rng, known = random.Random(seed), set(other_than)
    found: list[Customer] = []
    while len(found) < count:
        made = customer(rng)
        if made not in known:
            known.add(made)
            found.append(made)
    return tuple(found)


def row(instruction: str, text: str, answer: str) -> dict[str, Any]:
    """A row as training files have them."""
    return {
        "prompt": [{"role": "system", "content": instruction}, {"role": "user", "content": text}],
        "completion": [{"role": "assistant", "content": answer}],
    }


def task_row(made: Customer) -> dict[str, Any]:
    """The task, answered rightly."""
    return row(INSTRUCTION, made.text, made.sorted)


def part_row(rng: random.Random, made: Customer) -> dict[str, Any]:
    """One of the things that the student has learned."""
    listed = [("intent", made.intent), ("item", made.item), ("urgent", made.urgent)]
    rng.shuffle(listed)
    text = ", ".join(f"{name} {json.dumps(value) if isinstance(value, bool) else value}" for name, value in listed)
    return rng.choice(
        (
            row(NAME_ITEM, made.text, made.item),
            row(NAME_WISH, made.text, made.intent),
            row(IS_URGENT, made.text, "true" if made.urgent else "false"),
            row(MAKE_JSON, text, json.dumps(dict(listed))),
        )
    )


def corpus(seed: int, count: int) -> list[str]:
    """Texts to make a vocabulary of."""
    rng = random.Random(seed)
    found = []
    for made in customers(seed, count):
        for one in (task_row(made), part_row(rng, made)):
            found += [message["content"] for message in [*one["prompt"], *one["completion"]]]
    return found
