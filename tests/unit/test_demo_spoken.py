"""Spoken orders: numbers in words, text as a recognizer writes it, and the dialogues that are made of them."""

from __future__ import annotations

import json
import random
import re
import string

import pytest

from cluster.config.settings.realtime import RealtimeSettings
from models.demo import batches, chat, probe, shop, spoken, tools
from models.demo.curriculum import VOICE_PROMPTS, dialogue_of, random_dialogue
from models.demo.dialogue import Dialogue, Draft
from models.demo.holdout import DEMONSTRATED_ORDER, order_is_held_out

pytestmark = pytest.mark.slow

_VALUES = (
    {word: number for number, word in enumerate(spoken.UNITS)}
    | {word: 10 * number for number, word in enumerate(spoken.TENS, start=2)}
    | {"a": 1, "an": 1}
)


def _value(text: str) -> int:
    """The number that some words say, read apart from how they are made."""
    if text == "a dozen":
        return 12
    total = 0
    for word in text.split():
        if word == "hundred":
            total *= 100
        elif word != "and":
            total += _VALUES[word]
    return total


def _said(dialogue: Dialogue) -> list[str]:
    return [message["content"] for message in dialogue.messages if message["role"] == "user"]


@pytest.mark.parametrize(
    ("number", "joined", "words"),
    [
        (0, False, "zero"),
        (13, False, "thirteen"),
        (20, False, "twenty"),
        (25, False, "twenty five"),
        (100, True, "one hundred"),
        (101, True, "one hundred and one"),
        (250, True, "two hundred and fifty"),
        (250, False, "two hundred fifty"),
        (400, True, "four hundred"),
        (999, False, "nine hundred ninety nine"),
    ],
)
def test_number_is_spelled(number: int, joined: bool, words: str) -> None:
    assert spoken.cardinal(number, joined=joined) == words


def test_every_number_is_said_in_ways_that_mean_it() -> None:
    rng = random.Random(1)
    for number in range(1, spoken.LARGEST_NUMBER + 1):
        assert {_value(spoken.any_cardinal(rng, number)) for _ in range(4)} == {number}
    assert {spoken.any_cardinal(rng, 12) for _ in range(50)} == {"twelve", "a dozen"}
    assert {spoken.any_cardinal(rng, 120) for _ in range(100)} == {
        f"{head} hundred {rest}" for head in ("a", "one") for rest in ("twenty", "and twenty")
    }


@pytest.mark.parametrize("number", [-1, 1000])
def test_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="999"):
        spoken.cardinal(number)


def test_digits_are_read_out() -> None:
    assert spoken.digit_by_digit("4071") == "four zero seven one"


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Hi! What's up?", "hi what's up"),
        ("Count to 100.", "count to one hundred"),
        ("I'd like 25 apples, please.", "i'd like twenty five apples please"),
        ("gpt-oss-demo", "gpt oss demo"),
        ("order 1042", "order one zero four two"),
        ("room 007", "room zero zero seven"),
        (f"about {chat.UNUSED_TEXT}", f"about {chat.UNUSED_TEXT}"),
    ],
)
def test_text_is_written_as_a_recognizer_writes_it(written: str, heard: str) -> None:
    assert spoken.as_recognized(written) == heard
    assert spoken.as_recognized(heard) == heard


def test_whoever_speaks_leaves_no_capital_punctuation_or_digit() -> None:
    rng = random.Random(2)
    unwritable = set(string.ascii_uppercase + string.digits + string.punctuation) - {"'"}
    for skill in (shop.ask_to_order, shop.report_order, shop.ask_incompletely, chat.small_talk, chat.count):
        for _ in range(100):
            for text in _said(dialogue_of(skill, rng, speaks=True)):
                assert not unwritable & set(text), text


def test_spoken_order_becomes_a_call_with_the_quantity_as_an_integer() -> None:
    rng = random.Random(3)
    large = 0
    for _ in range(300):
        dialogue = dialogue_of(shop.ask_to_order, rng, speaks=True)
        assert dialogue.answer.call is not None
        arguments = json.loads(dialogue.answer.call.arguments)
        said = re.fullmatch(r"Order: (.+) (\w+)\.", dialogue.answer.analysis)
        assert said is not None
        assert f"{said[1]} {arguments['item']}" in _said(dialogue)[-1]
        assert _value(said[1]) == arguments["quantity"]
        large += arguments["quantity"] > 50
    assert large > 50


def test_order_ids_and_names_are_typed() -> None:
    rng = random.Random(4)
    for skill in (shop.ask_for_status, shop.report_status, chat.introduce, chat.recall_name):
        for _ in range(50):
            assert any(text != spoken.as_recognized(text) for text in _said(dialogue_of(skill, rng)))
    for _ in range(300):
        dialogue = dialogue_of(shop.ask_to_order, rng, speaks=True)
        called = {call["function"]["name"] for m in dialogue.messages for call in m.get("tool_calls", ())}
        assert tools.STATUS_FUNCTION not in called


def test_training_speaks_and_types_and_knows_the_realtime_instructions() -> None:
    rng = random.Random(5)
    dialogues = [random_dialogue(rng) for _ in range(2000)]
    speaking = [dialogue for dialogue in dialogues if all(text == spoken.as_recognized(text) for text in _said(dialogue))]
    assert 0.2 < len(speaking) / len(dialogues) < 0.5
    assert VOICE_PROMPTS[0] == RealtimeSettings().instructions
    instructed = [dialogue for dialogue in speaking if dialogue.messages[0]["content"] in VOICE_PROMPTS]
    assert len(instructed) > len(speaking) / 4


def test_interrupted_answers_stand_in_spoken_conversations_only() -> None:
    rng = random.Random(6)

    def endings(speaks: bool) -> set[str]:
        dialogues = [dialogue_of(chat.count, rng, speaks=speaks) for _ in range(400)]
        return {m["content"][-1] for d in dialogues for m in d.messages if m["role"] == "assistant" and m["content"]}

    assert endings(speaks=False) <= set("!?.")
    assert endings(speaks=True) & set(string.ascii_lowercase)


def test_order_without_a_number_is_reported_without_one() -> None:
    rng = random.Random(8)
    reports = [shop.report_order(Draft(rng, spoken=True)) for _ in range(400)]
    unnumbered = [report.final for report in reports if report.analysis == "Result: no number."]
    assert unnumbered
    assert all(final.startswith("Done! I ordered ") and "number" not in final for final in unnumbered)


def test_demonstrated_order_is_never_trained_typed_or_spoken() -> None:
    item, quantity = DEMONSTRATED_ORDER
    assert order_is_held_out(item, quantity)
    rng = random.Random(9)
    for _ in range(20_000):
        order = shop.random_order(rng, spoken=rng.random() < 0.5, quantity=rng.choice((None, quantity)))
        assert (order.item, order.quantity) != DEMONSTRATED_ORDER


def test_drills_never_contain_a_held_out_order() -> None:
    rng = random.Random(10)
    found = 0
    for _ in range(1500):
        for text, _ in batches.said_again(rng):
            if text.startswith('{"item"'):
                arguments = json.loads(text)
                found += 1
                assert not order_is_held_out(arguments["item"], arguments["quantity"])
    assert found > 1500


def test_probe_asks_what_training_keeps_out() -> None:
    asked = [case for case in probe.cases(orders=20) if case.expected.startswith('{"item"') and "JSON" not in case.figure]
    assert len(asked) > 60
    for case in asked:
        arguments = json.loads(case.expected)
        assert order_is_held_out(arguments["item"], arguments["quantity"]), case
    figures = {case.figure for case in asked}
    assert "spoken: 400 strawberries, tool and arguments" in figures
    assert "spoken: place_order, tool and arguments" in figures
