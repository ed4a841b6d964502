"""What one training example is: an OpenAI chat request and the answer that the model shall give."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from models.demo import spoken

Message = dict[str, Any]
Tool = dict[str, Any]
ReasoningEffort = Literal["low", "medium", "high"]

ORDER_FUNCTION = "place_order"
"""Name of the function that takes an order."""


@dataclass(frozen=True)
class ToolCall:
    """A call with its arguments as the JSON text that is to be written."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """The assistant's next turn."""

    analysis: str
    final: str = ""
    """Text of the final channel; unused when ``call`` is set."""
    call: ToolCall | None = None
    json_header: bool = False
    """Whether the final channel is announced as JSON."""
    header_given: bool = False
    """The header is imposed on the model (by a grammar), so it is context, not something to learn."""
    given_spans: tuple[str, ...] = ()
    """Parts of ``final``, in order, that a grammar imposes as well."""


@dataclass(frozen=True)
class Dialogue:
    """A request with its answer. ``kind`` names the skill, for statistics."""

    kind: str
    messages: list[Message]
    answer: Answer
    tools: list[Tool] | None = None
    reasoning_effort: ReasoningEffort | None = None


@dataclass
class Draft:
    """A conversation under construction."""

    rng: random.Random
    held_out: bool = False
    """Its orders are drawn from the part that training never sees."""
    spoken: bool = False
    """The user speaks: messages are what a recognizer writes."""
    messages: list[Message] = field(default_factory=list)

    def user(self, text: str) -> None:
        if self.spoken:
            text = spoken.hesitantly(self.rng, spoken.as_recognized(text))
        self.messages.append({"role": "user", "content": text})

    def assistant(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def call(self, call: ToolCall, result: str) -> None:
        """A finished tool call and what the tool answered."""
        call_id = f"call_{len(self.messages)}"
        function = {"name": call.name, "arguments": call.arguments}
        self.messages.append(
            {"role": "assistant", "content": None, "tool_calls": [{"id": call_id, "type": "function", "function": function}]}
        )
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
