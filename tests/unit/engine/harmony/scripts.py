"""Answers of a gpt-oss model, as token ids, from a seeded generator: right, wrong and cut off in every way."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openai_harmony import HarmonyEncoding, HarmonyEncodingName, load_harmony_encoding

TEXTS = (
    "The user wants to know the weather.",
    "I will look that up for you, one moment please!",
    'He said: "\\ is a backslash", \t tab and \r\n line end.',
    "👩‍🚀 and 漢字かな交じり文, Ünïcödé, עברית, 🏳️‍🌈🇩🇪",
    "\U0001d518\U0001d52b\U0001d526 \u2028\u2029\x00\x1b\x7f </script>",
    '{"order":{"item":"apples","quantity":2,"note":"déjà vu 🍏"}}',
    "[1,2,3]",
    "no json at all {",
    "   ",
    "\n\n",
    "assistant<|channel|>final",
    "to=functions.place_order",
    "a",
)
CHANNELS = ("analysis", "commentary", "final", "analysis", "final", "unheard-of", "final json", "commentary ")
RECIPIENTS = (
    "functions.place_order",
    "functions.get_weather",
    "functions.a.b",
    "functions.",
    "functions",
    "place_order",
    "python",
    "browser.search",
    "container.exec",
    "assistant",
    "user",
    "json",
    "ümläut",
)
ROLES = ("assistant", "assistant", "assistant", "assistant", "user", "tool", "functions.place_order", "nobody", "")
CONSTRAINTS = ("", "", "<|constrain|>json", " <|constrain|>json", " json", " code", "<|constrain|>")
ENDS = ("<|end|>", "<|end|>", "<|end|>", "<|call|>", "<|return|>")
OUT_OF_VOCABULARY = (201_089, 250_000)


@functools.cache
def encoding() -> HarmonyEncoding:
    return load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)


def tokens(text: str) -> list[int]:
    """``text`` with the names of special tokens taken for these."""
    return encoding().encode(text, allowed_special="all")


@functools.cache
def split_characters() -> tuple[int, ...]:
    """Tokens that hold only parts of characters."""
    found = set()
    for text in TEXTS:
        for token in encoding().encode(text, disallowed_special=()):
            if "�" in encoding().decode([token]):
                found.add(token)
    return tuple(sorted(found))


def _text(rng: random.Random) -> list[int]:
    text = " ".join(rng.choice(TEXTS) for _ in range(rng.choice((0, 1, 1, 1, 2))))
    return encoding().encode(text, disallowed_special=())


def _header(rng: random.Random) -> str:
    """What stands between the start of a message and its content, in one of the orders that models use."""
    channel = f"<|channel|>{rng.choice(CHANNELS)}"
    constraint = rng.choice(CONSTRAINTS)
    if rng.random() < 0.5:
        return channel + rng.choice(("", "", constraint))
    to = f" to={rng.choice(RECIPIENTS)}"
    return to + channel + constraint if rng.random() < 0.3 else channel + to + constraint


def valid(rng: random.Random) -> list[int]:
    """Messages with headers that a model may write, ended as the model ends an answer."""
    answer = []
    count = rng.choice((1, 2, 2, 3))
    for number in range(count):
        if number:
            answer += tokens(f"<|start|>{rng.choice(ROLES)}")
        answer += tokens(_header(rng) + "<|message|>") + _text(rng)
        answer += tokens(rng.choice(ENDS) if number + 1 < count else rng.choice(("<|return|>", "<|call|>")))
    return answer


def orderly(rng: random.Random) -> list[int]:
    """What a well trained model writes: thinking, then calls or an answer."""
    answer = tokens("<|channel|>analysis<|message|>") + _text(rng) + tokens("<|end|>")
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        name = rng.choice(RECIPIENTS[:2])
        header = f"<|start|>assistant<|channel|>commentary to={name} <|constrain|>json<|message|>"
        answer += tokens(header) + encoding().encode(rng.choice(TEXTS[5:8])) + tokens("<|call|>")
    if rng.random() < 0.7:
        answer += tokens("<|start|>assistant<|channel|>final<|message|>") + _text(rng) + tokens("<|return|>")
    return answer


def truncated(rng: random.Random) -> list[int]:
    answer = rng.choice((valid, orderly))(rng)
    return answer[: rng.randrange(len(answer) + 1)]


def corrupted(rng: random.Random) -> list[int]:
    """A valid answer with some tokens lost, doubled, exchanged or put in."""
    answer = rng.choice((valid, orderly))(rng)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        place = rng.randrange(len(answer)) if answer else 0
        match rng.randrange(6):
            case 0 if answer:
                del answer[place]
            case 1 if answer:
                answer.insert(place, answer[place])
            case 2:
                answer.insert(place, rng.randrange(199_998))
            case 3:
                answer.insert(place, rng.randrange(199_998, 200_019))
            case 4:
                answer.insert(place, rng.randrange(200_019, 201_088))
            case 5:
                answer[place:place] = rng.choices(split_characters(), k=rng.choice((1, 2, 5)))
    return answer


def half_characters(rng: random.Random) -> list[int]:
    """Content in which characters are cut, never finished or in the wrong order."""
    answer = tokens(rng.choice(("<|channel|>final<|message|>", "<|channel|>commentary to=functions.f<|message|>")))
    for _ in range(rng.randrange(1, 6)):
        answer += rng.choices(split_characters(), k=rng.randrange(1, 4))
        answer += _text(rng)[: rng.randrange(4)]
    return answer + tokens(rng.choice(("<|end|>", "<|return|>", "", "<|end|><|start|>assistant<|channel|>final<|message|>ok")))


def soup(rng: random.Random) -> list[int]:
    """Anything after anything; most of it the tokens that mean something."""
    ids = []
    for _ in range(rng.randrange(1, 40)):
        match rng.randrange(10):
            case 0 | 1 | 2 | 3:
                ids.append(rng.choice((200_005, 200_006, 200_007, 200_008, 200_003, 200_002, 200_012)))
            case 4:
                ids.append(rng.randrange(201_088))
            case 5:
                ids += tokens(rng.choice(CHANNELS))
            case 6:
                ids += tokens(f" to={rng.choice(RECIPIENTS)}")
            case 7 if rng.random() < 0.1:
                ids.append(rng.choice(OUT_OF_VOCABULARY))
            case _:
                ids += _text(rng)[:5]
    return ids


def wordless(rng: random.Random) -> list[int]:
    """Text without any header, as an untrained or badly prompted model writes it."""
    return _text(rng) + _text(rng)


KINDS: tuple[Callable[[random.Random], list[int]], ...] = (
    orderly,
    orderly,
    valid,
    valid,
    valid,
    truncated,
    truncated,
    corrupted,
    corrupted,
    half_characters,
    soup,
    wordless,
)


@dataclass(frozen=True)
class Step:
    """What one sequence got in one step of the engine."""

    index: int
    token_ids: list[int]
    finish_reason: str | None = None


@dataclass(frozen=True)
class Script:
    """One request and what the engine gives for it: outputs of one or more steps, then perhaps the engine's death."""

    kinds: tuple[str, ...]
    body: dict[str, Any]
    outputs: list[list[Step]] = field(default_factory=list)
    dies: bool = False


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("place_order", "get_weather")
]


def _body(rng: random.Random, n: int) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": n}
    if rng.random() < 0.5:
        body["tools"] = TOOLS
        body["tool_choice"] = rng.choice(
            ("auto", "auto", "none", "required", {"type": "function", "function": {"name": "place_order"}})
        )
    for name, values in {
        "include_reasoning": (True, True, True, False),
        "parallel_tool_calls": (None, None, True, False),
        "stop": (None, None, None, ["\n"]),
        "max_completion_tokens": (None, 100),
        "response_format": (None, None, {"type": "json_object"}),
        "reasoning_effort": (None, "low", "high"),
    }.items():
        body[name] = rng.choice(values)
    return body


def _steps(rng: random.Random, index: int, ids: list[int]) -> list[Step]:
    """The tokens in pieces: one by one, in pieces of one size, or of random sizes; then the end of the sequence."""
    size: Callable[[], int] = rng.choice((lambda: 1, lambda: 1, lambda: 3, lambda: rng.randrange(0, 9), lambda: len(ids) or 1))
    pieces = []
    while ids:
        piece = size()
        pieces.append(ids[:piece])
        ids = ids[piece:]
    if rng.random() < 0.2:
        pieces.insert(0, [])
    if not pieces or rng.random() < 0.1:
        pieces.append([])
    reasons = ["stop"] * 12 + ["length"] * 6 + ["abort", "error", "repetition", None]
    steps = [Step(index, piece) for piece in pieces]
    steps[-1] = Step(index, pieces[-1], rng.choice(reasons))
    return steps


def make_script(seed: int) -> Script:
    """The same script for the same seed."""
    rng = random.Random(seed)
    n = rng.choice((1, 1, 1, 1, 2, 3))
    kinds = [rng.choice(KINDS) for _ in range(n)]
    queues = [_steps(rng, index, kind(rng)) for index, kind in enumerate(kinds)]
    outputs = []
    while any(queues):
        together = [queue.pop(0) for queue in queues if queue and rng.random() < 0.8]
        if together:
            outputs.append(together)
    dies = rng.random() < 0.03
    if dies:
        outputs = outputs[: rng.randrange(len(outputs) + 1)]
    return Script(tuple(kind.__name__ for kind in kinds), _body(rng, n), outputs, dies)
