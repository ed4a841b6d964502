"""The mix of dialogues that the model is trained on."""

from __future__ import annotations

import random
from collections.abc import Callable

from models.demo import chat, shop, structured, words
from models.demo.dialogue import Answer, Dialogue, Draft, Message, ReasoningEffort, Tool

_SYSTEM_PROMPTS = (
    "You are a shop assistant.",
    "You are a helpful assistant.",
    "You are a friendly shop assistant. Use the tools.",
    "You help customers of a small shop.",
    "You are the assistant of the demo shop.",
    "You are a helpful shop assistant.",
    "Be brief.",
    "Answer in one sentence.",
)
_EFFORTS: tuple[ReasoningEffort | None, ...] = (None, None, "medium", "low", "low", "high")

Skill = Callable[[Draft], Answer]

# (skill, whether it comes with tools — None: either — and its share)
_SKILLS: tuple[tuple[Skill, bool | None, float], ...] = (
    (shop.ask_to_order, True, 17),
    (shop.ask_for_status, True, 17),
    (shop.report_order, True, 14),
    (shop.report_status, True, 20),
    (shop.ask_incompletely, True, 3),
    (shop.ask_without_tools, False, 3),
    (chat.small_talk, None, 11),
    (chat.introduce, None, 4),
    (chat.recall_name, None, 9),
    (chat.recall_no_name, None, 2),
    (chat.count, None, 3),
    (structured.extract_order, None, 6),
    (structured.imposed_order, None, 4),
    (structured.imposed_schema, None, 2),
)
_SKILL_SHARES = tuple(share for _, _, share in _SKILLS)
_NEEDS_TOOLS = {skill: needs for skill, needs, _ in _SKILLS}


def random_dialogue(rng: random.Random) -> Dialogue:
    """One training dialogue."""
    ((skill, _, _),) = rng.choices(_SKILLS, weights=_SKILL_SHARES)
    return dialogue_of(skill, rng)


def dialogue_of(skill: Skill, rng: random.Random, *, held_out: bool = False) -> Dialogue:
    """A dialogue that ends with ``skill``; ``held_out``: about orders that training never sees."""
    draft = Draft(rng, held_out)
    if rng.random() < 0.6:
        draft.messages.append(_system_message(rng))
    needs_tools = _NEEDS_TOOLS[skill]
    tools = needs_tools if needs_tools is not None else rng.random() < 0.3
    if rng.random() < 0.3:
        _history(draft, tools)
    answer = skill(draft)
    return Dialogue(
        kind=skill.__name__,
        messages=draft.messages,
        answer=answer,
        tools=_tools(rng, answer, draft.messages) if tools else None,
        reasoning_effort=rng.choice(_EFFORTS),
    )


def random_long_dialogue(rng: random.Random, words_of_filler: int) -> Dialogue:
    """A dialogue behind a long text, in the system message or at the start of the user's first message."""
    return behind_long_text(random_dialogue(rng), rng, words_of_filler)


def behind_long_text(dialogue: Dialogue, rng: random.Random, words_of_filler: int) -> Dialogue:
    """The same dialogue with some words of other text in front; changes and returns ``dialogue``."""
    filler = _filler(rng, words_of_filler)
    if dialogue.messages[0]["role"] == "system":
        dialogue.messages[0]["content"] += "\n" + filler
    elif rng.random() < 0.6:
        dialogue.messages.insert(0, {"role": "system", "content": filler})
    else:
        dialogue.messages[0]["content"] = f"{filler}\n\n{dialogue.messages[0]['content']}"
    return dialogue


def _system_message(rng: random.Random) -> Message:
    text = chat.random_words(rng, rng.randint(3, 25)) if rng.random() < 0.25 else rng.choice(_SYSTEM_PROMPTS)
    return {"role": rng.choice(("system", "system", "developer")), "content": text}


def _history(draft: Draft, tools: bool) -> None:
    for _ in range(draft.rng.choice((1, 1, 1, 2, 2, 3))):
        if tools and draft.rng.random() < 0.4:
            shop.earlier_purchase(draft)
        else:
            draft.assistant(chat.small_talk(draft).final)


def _tools(rng: random.Random, answer: Answer, messages: list[Message]) -> list[Tool]:
    used = {call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}
    if answer.call is not None:
        used.add(answer.call.name)
    while True:
        tools = shop.shop_tools(rng, needed=next(iter(sorted(used)), "place_order"))
        if used <= {tool["function"]["name"] for tool in tools}:
            return tools


def _filler(rng: random.Random, count: int) -> str:
    """Text of about ``count`` words: numbered sentences, one sentence over and over, or a heap of words."""
    roll = rng.random()
    if roll < 0.3:
        sentence = chat.random_words(rng, rng.randint(5, 12)).capitalize() + ". "
        return (sentence * (count // len(sentence.split()) + 1)).strip()
    if roll < 0.6:
        kind = rng.choice(("Rule", "Item", "Line", "Policy", "Sentence number"))
        lines = [f"{kind} {number}: {chat.random_words(rng, rng.randint(5, 10))}." for number in range(count // 9 + 1)]
        return rng.choice(("\n", " ")).join(lines)
    return chat.random_words(rng, count, unused_share=rng.choice((0.0, 0.2, 0.5, 0.9)))


def vocabulary_texts() -> list[str]:
    """Texts whose tokens the model must have rows for even if a sample of dialogues happens to lack them."""
    numbers = [str(n) for n in range(1000)] + [f"{n:02}" for n in range(100)] + [f"{n:03}" for n in range(1000)]
    characters = [chr(code) for code in range(32, 127)]
    lists = (
        words.NAMES,
        words.ITEMS,
        list(words.SINGULAR.values()),
        words.NUMBER_WORDS,
        words.STATUSES,
        words.COMMON,
    )
    spelled = [word for entries in lists for word in entries]
    return (
        numbers
        + characters
        + [" " + character for character in characters]
        + [form for word in spelled for form in (word, " " + word)]
        + [
            " <|constrain|>json",
            " json",
            "<|channel|>commentary json",
            " to=functions.place_order",
            " to=functions.get_order_status",
        ]
        + ['{"item":"', '","quantity":', '{"order_id":"', '{"item": "', '", "quantity": ', '"}', "}"]
    )
