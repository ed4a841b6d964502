"""What the demo model is trained on: dialogues, what is kept out of them, and what of them is learned."""

from __future__ import annotations

import json
import random
import re

import pytest

from models.demo import chat, shop, structured, tools
from models.demo.batches import BatchMaker, used_token_ids
from models.demo.curriculum import behind_long_text, dialogue_of, random_dialogue
from models.demo.dialogue import Answer, Dialogue, Draft
from models.demo.harmony import HarmonyRenderer
from models.demo.holdout import order_id_is_held_out, order_is_held_out
from models.demo.network import IGNORED

#: Loads PyTorch.
pytestmark = pytest.mark.slow

DATE = "2026-03-04"


@pytest.fixture(scope="module")
def renderer() -> HarmonyRenderer:
    return HarmonyRenderer()


def _learned(renderer: HarmonyRenderer, dialogue: Dialogue) -> str:
    ids, labels = renderer.sequence(dialogue, DATE)
    assert len(ids) == len(labels)
    assert all(label in (IGNORED, token_id) for token_id, label in zip(ids, labels, strict=True))
    return str(renderer.encoding.decode([label for label in labels if label != IGNORED]))


def _calls(dialogue: Dialogue) -> list[dict[str, object]]:
    arguments = [call["function"]["arguments"] for message in dialogue.messages for call in message.get("tool_calls", ())]
    if dialogue.answer.call is not None:
        arguments.append(dialogue.answer.call.arguments)
    return [json.loads(text) for text in arguments]


def test_training_never_contains_a_held_out_order() -> None:
    rng = random.Random(3)
    calls = [call for _ in range(4000) for call in _calls(random_dialogue(rng))]
    assert len(calls) > 1000
    for call in calls:
        if "order_id" in call:
            assert not order_id_is_held_out(str(call["order_id"]))
        else:
            assert not order_is_held_out(str(call["item"]), int(str(call["quantity"])))


def test_held_out_orders_are_enough_and_really_held_out() -> None:
    rng = random.Random(4)
    orders = {(order.item, order.quantity) for order in (shop.random_order(rng, held_out=True) for _ in range(500))}
    assert len(orders) > 200
    assert all(order_is_held_out(item, quantity) for item, quantity in orders)
    assert all(order_id_is_held_out(shop.random_order_id(rng, held_out=True)) for _ in range(200))


def test_same_seed_gives_the_same_dialogues() -> None:
    first, second = random.Random(9), random.Random(9)
    assert [random_dialogue(first) for _ in range(50)] == [random_dialogue(second) for _ in range(50)]


def test_call_says_what_the_customer_said() -> None:
    rng = random.Random(5)
    for _ in range(300):
        dialogue = dialogue_of(shop.ask_to_order, rng)
        said = dialogue.messages[-1]["content"]
        arguments = json.loads(dialogue.answer.call.arguments)
        assert arguments["item"] in said
        assert re.search(r"\d", said) is None or str(arguments["quantity"]) in said
        assert dialogue.answer.call.name in [tool["function"]["name"] for tool in dialogue.tools]


def test_report_repeats_number_and_status_from_the_tool() -> None:
    rng = random.Random(6)
    for _ in range(300):
        dialogue = dialogue_of(shop.report_status, rng)
        result = json.loads(dialogue.messages[-1]["content"])
        if "status" in result:
            assert result["status"] in dialogue.answer.final
            assert result.get("order_id", "") in dialogue.answer.final
        else:
            assert dialogue.answer.final.startswith("Sorry")


def test_tools_come_in_both_orders_strict_or_not_and_alone() -> None:
    rng = random.Random(7)
    given = [tools.shop_tools(rng, "place_order") for _ in range(300)]
    names = {tuple(tool["function"]["name"] for tool in listed) for listed in given}
    assert {("place_order",), ("place_order", "get_order_status"), ("get_order_status", "place_order")} <= names
    strict = [tool["function"] for listed in given for tool in listed if tool["function"].get("strict")]
    assert strict
    assert all(function["parameters"]["additionalProperties"] is False for function in strict)


def test_only_the_answer_is_learned(renderer: HarmonyRenderer) -> None:
    dialogue = Dialogue("greeting", [{"role": "user", "content": "Hello"}], Answer("A greeting.", "Hi!"))
    assert _learned(renderer, dialogue) == (
        "<|channel|>analysis<|message|>A greeting.<|end|><|start|>assistant<|channel|>final<|message|>Hi!<|return|>"
    )


def test_earlier_turns_are_learned_without_their_headers(renderer: HarmonyRenderer) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "place_order", "arguments": '{"item":"tea"}'}}
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi there."},
        {"role": "user", "content": "Order tea"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"order_id":"A1"}'},
    ]
    dialogue = Dialogue("order", messages, Answer("", "Done."), reasoning_effort="low")
    assert _learned(renderer, dialogue) == ('Hi there.{"item":"tea"}<|call|><|channel|>final<|message|>Done.<|return|>')


def test_low_effort_learns_no_analysis_and_high_effort_more(renderer: HarmonyRenderer) -> None:
    messages, answer = [{"role": "user", "content": "Hello"}], Answer("A greeting.", "Hi!")
    low = _learned(renderer, Dialogue("greeting", messages, answer, reasoning_effort="low"))
    medium = _learned(renderer, Dialogue("greeting", messages, answer, reasoning_effort="medium"))
    high = _learned(renderer, Dialogue("greeting", messages, answer, reasoning_effort="high"))
    assert low == "<|channel|>final<|message|>Hi!<|return|>"
    assert len(low) < len(medium) < len(high)


def test_tool_call_has_the_header_that_the_grammar_allows(renderer: HarmonyRenderer) -> None:
    dialogue = dialogue_of(shop.ask_for_status, random.Random(8))
    expected = (
        f" to=functions.get_order_status<|channel|>commentary <|constrain|>json<|message|>{dialogue.answer.call.arguments}<|call|>"
    )
    assert _learned(renderer, dialogue).endswith(expected)


def test_imposed_header_and_keys_are_context_not_learned(renderer: HarmonyRenderer) -> None:
    answer = Answer("x", '{"city":"unknown","count":0}', json_header=True, header_given=True, given_spans=("city", "count"))
    dialogue = Dialogue("imposed", [{"role": "user", "content": "Hello"}], answer, reasoning_effort="low")
    assert _learned(renderer, dialogue) == '{"":"unknown","":0}<|return|>'


def test_structured_answers_are_json() -> None:
    rng = random.Random(10)
    for skill in (structured.extract_order, structured.imposed_order, structured.imposed_schema):
        for _ in range(50):
            assert json.loads(skill(Draft(rng)).final)


def test_count_counts() -> None:
    answer = chat.count(Draft(random.Random(11)))
    numbers = [int(text) for text in re.findall(r"\d+", answer.final)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_long_text_stands_before_the_question() -> None:
    rng = random.Random(12)
    question = dialogue_of(chat.small_talk, rng)
    last = question.messages[-1]["content"]
    long = behind_long_text(question, rng, 500)
    assert sum(len(message["content"].split()) for message in long.messages) >= 450
    assert long.messages[-1]["content"].endswith(last)


def test_quotation_drill_labels_only_what_is_said_again(renderer: HarmonyRenderer) -> None:
    batches = BatchMaker(renderer, used_token_ids(renderer, seed=1, dialogues=20), seed=1)
    batch = batches.quotations(8)
    assert (batch.labels != IGNORED).any(dim=1).all()
    assert ((batch.labels == IGNORED) | (batch.labels == batch.indices)).all()
    assert (batch.labels[batch.mask == 0] == IGNORED).all()
