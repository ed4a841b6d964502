"""What the demo model can do, measured on orders that training never saw: ``python -m models.demo.probe``.

All questions go through a real vLLM engine in one batch; the figures are shares of right answers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.demo import chat, shop, structured, tools
from models.demo.curriculum import VOICE_PROMPTS, Skill, behind_long_text, dialogue_of
from models.demo.dialogue import ORDER_FUNCTION, Dialogue, Draft, Tool, ToolCall
from models.demo.expand import DEFAULT_OUT
from models.demo.holdout import DEMONSTRATED_ORDER
from models.demo.offline import OfflineChat, Reply
from models.demo.words import IDENTITY

_SEED = 20_000
_LONG_WORDS = 1_400

_ORDER_SCHEMA = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "quantity": {"type": "integer"}},
    "required": ["item", "quantity"],
    "additionalProperties": False,
}
_RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "order", "schema": _ORDER_SCHEMA, "strict": True}}
_ORDER_ID_SCHEMA = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}},
    "required": ["order_id"],
    "additionalProperties": False,
}
# One list for all strict questions: the engine compiles a grammar for every other one.
_SHOP_TOOLS: list[Tool] = [
    {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
    for name, description, schema in (
        (ORDER_FUNCTION, "Place an order", _ORDER_SCHEMA),
        (tools.STATUS_FUNCTION, "Get the status of an order", _ORDER_ID_SCHEMA),
    )
]
_IDENTITY_QUESTIONS = ("Who are you?", "What can you do?", "Which model are you?", "Tell me about yourself.", "What is your name?")

_DEMONSTRATION = shop.Order(*DEMONSTRATED_ORDER, said="four hundred")
_DEMONSTRATION_TEXTS = (
    "i would like to order four hundred strawberries please",
    "i'd like to order four hundred strawberries",
    "please order four hundred strawberries",
    "i want to order four hundred strawberries",
    "good morning i would like to order four hundred strawberries",
    "can i have four hundred strawberries please",
)


@dataclass(frozen=True)
class Case:
    """A question with what the right answer must satisfy."""

    figure: str
    request: dict[str, Any]
    is_right: Callable[[Reply], bool]
    expected: str


@dataclass
class Report:
    """Right answers and questions for each figure, with the answers that were wrong."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, figure: str, right: bool, note: str) -> None:
        self.asked[figure] += 1
        self.right[figure] += right
        if not right:
            self.wrong.append(f"{figure}: {note}")

    def share(self, figure: str) -> float:
        """Share of right answers, 0 to 1."""
        return self.right[figure] / self.asked[figure]

    def as_json(self) -> dict[str, Any]:
        return {
            "figures": {name: {"right": self.right[name], "asked": self.asked[name]} for name in sorted(self.asked)},
            "wrong": self.wrong,
        }


def cases(orders: int, seed: int = _SEED) -> list[Case]:
    """The questions: ``orders`` for each shop skill, fewer for the others. The same for the same arguments."""
    return [*_typed_cases(orders, random.Random(seed)), *_spoken_cases(orders // 2, random.Random(seed + 1))]


def _typed_cases(orders: int, rng: random.Random) -> list[Case]:
    few = max(4, orders // 4)
    return [
        *(_called("place_order: tool and arguments", shop.ask_to_order, rng) for _ in range(orders)),
        *(_called("get_order_status: tool and arguments", shop.ask_for_status, rng) for _ in range(orders)),
        *(_called("strict tools", shop.ask_to_order, rng, strict=True) for _ in range(few)),
        *(_called("strict tools", shop.ask_for_status, rng, strict=True) for _ in range(few)),
        *(_exact("place_order: answer with the order number", shop.report_order, rng) for _ in range(orders)),
        *(_exact("get_order_status: answer with the status", shop.report_status, rng) for _ in range(orders)),
        *(_exact("asks for what is missing", shop.ask_incompletely, rng) for _ in range(few)),
        *(_exact("name remembered", chat.recall_name, rng) for _ in range(2 * few)),
        *(_exact("counts", chat.count, rng) for _ in range(4)),
        *(_identity(question) for question in _IDENTITY_QUESTIONS),
        *(_json("order as JSON, asked for in words", structured.extract_order, rng, None) for _ in range(2 * few)),
        *(_json("order as JSON, by response_format", structured.extract_order, rng, _RESPONSE_FORMAT) for _ in range(few)),
        *(_json("order as JSON, by response_format", structured.imposed_order, rng, _RESPONSE_FORMAT) for _ in range(few)),
        *(_long(rng) for _ in range(4)),
    ]


def _spoken_cases(orders: int, rng: random.Random) -> list[Case]:
    """Questions as a recognizer writes them."""
    few = max(4, orders // 2)
    return [
        *(_called("spoken: place_order, tool and arguments", shop.ask_to_order, rng, speaks=True) for _ in range(orders)),
        *(_exact("spoken: answer with the order number", shop.report_order, rng, speaks=True) for _ in range(orders)),
        *(_exact("spoken: small talk", chat.small_talk, rng, speaks=True) for _ in range(orders)),
        *(_exact("spoken: asks for what is missing", shop.ask_incompletely, rng, speaks=True) for _ in range(few)),
        *(_demonstrated(text, prompt) for text in _DEMONSTRATION_TEXTS for prompt in (None, *VOICE_PROMPTS[:4])),
        *(_demonstrated_answer(text, rng) for text in _DEMONSTRATION_TEXTS for _ in range(2)),
    ]


def run(model: OfflineChat, questions: list[Case]) -> Report:
    """Ask everything in one batch."""
    report = Report()
    for case, reply in zip(questions, model.replies([case.request for case in questions]), strict=True):
        note = f"expected {case.expected!r}, got {reply.raw!r} for {case.request['messages'][-1]['content']!r}"
        report.add(case.figure, case.is_right(reply), note)
        report.add("every channel closed, ends by itself", reply.well_formed and reply.finish_reason == "stop", note)
        if case.request.get("reasoning_effort") == "low":
            report.add("no reasoning at low effort", reply.reasoning is None, note)
        else:
            report.add("reasoning at other efforts", reply.reasoning is not None, note)
    return report


def _with_strict(tool: Tool, strict: bool) -> Tool:
    return {**tool, "function": {**tool["function"], "strict": strict}}


def _request(dialogue: Dialogue, *, strict: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": dialogue.messages}
    if dialogue.tools:
        body["tools"] = [_with_strict(tool, strict) for tool in dialogue.tools]
    if dialogue.reasoning_effort:
        body["reasoning_effort"] = dialogue.reasoning_effort
    return body


def _called(
    figure: str,
    skill: Skill,
    rng: random.Random,
    *,
    strict: bool = False,
    speaks: bool = False,
) -> Case:
    dialogue = dialogue_of(skill, rng, held_out=True, speaks=speaks)
    if strict:
        dialogue = replace(dialogue, tools=_SHOP_TOOLS)
    call = dialogue.answer.call
    if call is None:
        raise ValueError(f"{figure} is about a tool call")
    return Case(figure, _request(dialogue, strict=strict), lambda reply: _calls(reply, call), call.arguments)


def _calls(reply: Reply, call: ToolCall) -> bool:
    """Whether the reply is this one call, its arguments in whatever notation."""
    found = [(name, _parsed(arguments)) for name, arguments in reply.calls]
    return found == [(call.name, json.loads(call.arguments))]


def _exact(figure: str, skill: Skill, rng: random.Random, *, speaks: bool = False) -> Case:
    dialogue = dialogue_of(skill, rng, held_out=True, speaks=speaks)
    final = dialogue.answer.final
    return Case(figure, _request(dialogue), lambda reply: reply.content == final, final)


def _demonstrated(text: str, instructions: str | None) -> Case:
    """The order of the spoken demonstration, in fixed words, so that nothing of it is drawn."""
    messages = [{"role": "system", "content": instructions}] if instructions is not None else []
    request = {"messages": [*messages, {"role": "user", "content": text}], "tools": _SHOP_TOOLS}
    call = _DEMONSTRATION.call()
    return Case("spoken: 400 strawberries, tool and arguments", request, lambda reply: _calls(reply, call), call.arguments)


def _demonstrated_answer(text: str, rng: random.Random) -> Case:
    """What is said when the order of the demonstration has been taken."""
    order_id = shop.random_order_id(rng, held_out=True)
    draft = Draft(rng, messages=[{"role": "system", "content": VOICE_PROMPTS[0]}, {"role": "user", "content": text}])
    draft.call(_DEMONSTRATION.call(), json.dumps({"order_id": order_id}))
    final = shop.order_taken(_DEMONSTRATION, order_id)
    request = {"messages": draft.messages, "tools": _SHOP_TOOLS}
    return Case("spoken: 400 strawberries, answer with the order number", request, lambda reply: reply.content == final, final)


def _identity(question: str) -> Case:
    request = {"messages": [{"role": "user", "content": question}]}
    return Case("says what it is", request, lambda reply: reply.content == IDENTITY, IDENTITY)


def _json(figure: str, skill: Skill, rng: random.Random, response_format: dict[str, Any] | None) -> Case:
    dialogue = dialogue_of(skill, rng, held_out=True, speaks=False)
    value = json.loads(dialogue.answer.final)
    # With tools in the request, vLLM's grammar allows a tool call in place of the JSON.
    request = {key: content for key, content in _request(dialogue).items() if key != "tools"}
    if response_format:
        request["response_format"] = response_format
    return Case(figure, request, lambda reply: _parsed(reply.content or "") == value, dialogue.answer.final)


def _long(rng: random.Random) -> Case:
    dialogue = behind_long_text(dialogue_of(chat.small_talk, rng, speaks=False), rng, _LONG_WORDS)
    expected = dialogue.answer.final
    return Case("answers behind a long text", _request(dialogue), lambda reply: bool(reply.content), expected)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.demo.probe", description="Measure the demo model's skills.")
    parser.add_argument("--model", type=Path, default=DEFAULT_OUT, help="expanded model (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=64, help="questions for each shop skill (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=_SEED, help="seed of the questions (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print figures and wrong answers as JSON")
    options = parser.parse_args(argv)
    print("loading the engine ...", file=sys.stderr, flush=True)
    model = OfflineChat(options.model)
    questions = cases(options.orders, options.seed)
    print(f"asking {len(questions)} questions ...", file=sys.stderr, flush=True)
    started_s = time.monotonic()
    report = run(model, questions)
    print(f"answered in {time.monotonic() - started_s:.1f} s", file=sys.stderr)
    if options.json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        for note in report.wrong:
            print(note)
        for name in sorted(report.asked):
            print(f"{report.right[name]:4d} of {report.asked[name]:4d}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
