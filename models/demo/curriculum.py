"""The mix of dialogues that the model is trained on."""

from __future__ import annotations

import random
from collections.abc import Callable

from models.demo import chat, shop, spoken, structured, tools, words
from models.demo.dialogue import ORDER_FUNCTION, Answer, Dialogue, Draft, Message, ReasoningEffort, Tool

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
VOICE_PROMPTS = (
    "You are a helpful assistant in a spoken conversation. Answer briefly, in plain sentences.",
    "You are a helpful assistant in a spoken conversation.",
    "You are a friendly voice assistant. Answer briefly.",
    "You take orders for a small shop by voice. Answer briefly.",
    "You are a voice assistant of the demo shop. Use the tools. Keep your answers short.",
    "Take orders for fruit.",
    "You take orders for fruit by phone. Be friendly.",
    "You are speaking with a customer. Answer in one short sentence.",
    "Help the caller to order, and tell the order number.",
)
"""Instructions of realtime sessions: the cluster's default comes first, and is drawn most often."""
_VOICE_SHARES = (6, *(1 for _ in VOICE_PROMPTS[1:]))

_EFFORTS: tuple[ReasoningEffort | None, ...] = (None, None, "medium", "low", "low", "high")

Skill = Callable[[Draft], Answer]

# (skill, whether it comes with tools — None: either — and its share)
_SKILLS: tuple[tuple[Skill, bool | None, float], ...] = (
    (shop.ask_to_order, True, 26),
    (shop.ask_for_status, True, 17),
    (shop.report_order, True, 20),
    (shop.report_status, True, 15),
    (shop.ask_incompletely, True, 3),
    (shop.ask_without_tools, False, 3),
    (chat.small_talk, None, 11),
    (chat.introduce, None, 4),
    (chat.recall_name, None, 9),
    (chat.recall_no_name, None, 2),
    (chat.count, None, 3),
    (structured.extract_order, None, 8),
    (structured.imposed_order, None, 4),
    (structured.imposed_schema, None, 2),
)
_SPOKEN_SHARE = 0.35
_TYPED_ONLY = (shop.ask_for_status, shop.report_status, chat.introduce, chat.recall_name)
_SKILL_SHARES = tuple(share for _, _, share in _SKILLS)
_NEEDS_TOOLS = {skill: needs for skill, needs, _ in _SKILLS}


def random_dialogue(rng: random.Random) -> Dialogue:
    """One training dialogue."""
    ((skill, _, _),) = rng.choices(_SKILLS, weights=_SKILL_SHARES)
    return dialogue_of(skill, rng)


def dialogue_of(
    skill: Skill,
    rng: random.Random,
    *,
    held_out: bool = False,
    speaks: bool | None = None,
) -> Dialogue:
    """A dialogue that ends with ``skill``.

    Args:
        skill: what the answer is about.
        rng: draws everything.
        held_out: about orders that training never sees.
        speaks: the user speaks, and a recognizer writes it down; ``None`` draws it. Names and order ids are always typed.
    """
    if speaks is None:
        speaks = skill not in _TYPED_ONLY and rng.random() < _SPOKEN_SHARE
    draft = Draft(rng, held_out, speaks)
    if rng.random() < (0.75 if speaks else 0.6):
        draft.messages.append(_system_message(rng, voice=rng.random() < (0.6 if speaks else 0.05)))
    needs_tools = _NEEDS_TOOLS[skill]
    has_tools = needs_tools if needs_tools is not None else rng.random() < (0.5 if speaks else 0.3)
    if rng.random() < 0.3:
        _history(draft, has_tools)
    answer = skill(draft)
    return Dialogue(
        kind=skill.__name__,
        messages=draft.messages,
        answer=answer,
        tools=_tools(draft, answer) if has_tools else None,
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


def _system_message(rng: random.Random, *, voice: bool) -> Message:
    if voice:
        (text,) = rng.choices(VOICE_PROMPTS, weights=_VOICE_SHARES)
    else:
        text = chat.random_words(rng, rng.randint(3, 25)) if rng.random() < 0.25 else rng.choice(_SYSTEM_PROMPTS)
    return {"role": rng.choice(("system", "system", "developer")), "content": text}


def _history(draft: Draft, has_tools: bool) -> None:
    for _ in range(draft.rng.choice((1, 1, 1, 2, 2, 3))):
        if has_tools and draft.rng.random() < 0.4:
            shop.earlier_purchase(draft)
        else:
            draft.assistant(_as_heard(draft, chat.small_talk(draft).final))


def _as_heard(draft: Draft, text: str) -> str:
    """An answer as it stands in a conversation later: one that is spoken may have been interrupted."""
    if not draft.spoken or draft.rng.random() < 0.8:
        return text
    said = text.split()
    return " ".join(said[: draft.rng.randint(1, len(said))])


def _tools(draft: Draft, answer: Answer) -> list[Tool]:
    """Tools among which are all that the dialogue calls."""
    used = {call["function"]["name"] for message in draft.messages for call in message.get("tool_calls", ())}
    if answer.call is not None:
        used.add(answer.call.name)
    while True:
        given = tools.shop_tools(draft.rng, next(iter(sorted(used)), ORDER_FUNCTION))
        if used <= {tool["function"]["name"] for tool in given}:
            return given


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
        spoken.NUMBER_WORDS,
        spoken.HESITATIONS,
        [word for phrase in (*spoken.GREETINGS, *spoken.COURTESIES) for word in phrase.split()],
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
        ]
        + [f" to=functions.{name}" for name in (ORDER_FUNCTION, tools.STATUS_FUNCTION)]
        + [*VOICE_PROMPTS]
        + ['{"item":"', '","quantity":', '{"order_id":"', '{"item": "', '", "quantity": ', '"}', "}"]
    )
