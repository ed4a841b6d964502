"""What chat templates stumble over is gone from the rows, and each learned turn has a row of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.images.encoded import EncodedImage
from cluster.tuning.rows.convert import Converted, convert
from cluster.tuning.rows.lines import Line
from cluster.tuning.rows.parse import Method, parse
from tests.unit.fine_tuning.samples import WEATHER, call, chat, data_url, picture, preference, with_images, with_tools


def converted(
    example: dict[str, Any], method: Method = Method.SUPERVISED, *, serial: bool = False, images: list[EncodedImage] | None = None
) -> Converted:
    found = parse(Line(1, json.dumps(example).encode()), method, takes_images=True)
    assert not isinstance(found, list), found
    return convert(found, images or [], serial=serial)


def rows(example: dict[str, Any], method: Method = Method.SUPERVISED, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(row.to_json()) for row in converted(example, method, **options).rows]


def test_a_plain_chat() -> None:
    assert rows(chat()) == [
        {
            "prompt": [{"role": "user", "content": "Say hi."}],
            "completion": [{"role": "assistant", "content": "Hi."}],
            "tools": [],
            "images": [],
        }
    ]


def test_each_turn_of_weight_1_is_a_row_and_the_others_are_only_read() -> None:
    messages = [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "one", "weight": 1},
        {"role": "user", "content": "2"},
        {"role": "assistant", "content": "two", "weight": 0},
        {"role": "user", "content": "3"},
        {"role": "assistant", "content": "three"},
    ]
    found = rows({"messages": messages})
    assert [row["completion"][0]["content"] for row in found] == ["one", "three"]
    assert [message["content"] for message in found[1]["prompt"]] == ["1", "one", "2", "two", "3"]
    assert all("weight" not in message for row in found for message in row["prompt"] + row["completion"])


def test_arguments_are_objects_contents_are_texts_and_names_stay() -> None:
    first, second = rows(with_tools())
    assert first["prompt"][1] == {"role": "user", "content": "Oslo and Rome?", "name": "kim"}
    [answer] = first["completion"]
    assert answer["content"] == ""
    assert [each["function"]["arguments"] for each in answer["tool_calls"]] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert first["tools"] == [WEATHER]
    assert second["prompt"][4] == {"role": "tool", "content": "4\nrain", "tool_call_id": "a"}


def test_parallel_calls_go_one_after_another_where_a_template_writes_one() -> None:
    found = rows(with_tools(), serial=True)
    assert [[message["role"] for message in row["prompt"]] for row in found] == [
        ["system", "user"],
        ["system", "user", "assistant", "tool"],
        ["system", "user", "assistant", "tool", "assistant", "tool"],
    ]
    made = [row["completion"][0].get("tool_calls", []) for row in found]
    assert [[each["id"] for each in calls] for calls in made] == [["a"], ["b"], []]
    assert [message["tool_call_id"] for message in found[2]["prompt"] if message["role"] == "tool"] == ["a", "b"]


def test_parallel_calls_without_results_keep_the_first_and_say_so() -> None:
    example = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call("a"), call("b")]}]}
    found = converted({**example, "tools": [WEATHER]}, serial=True)
    assert len(found.rows) == 1
    assert found.dropped_calls == 1
    assert converted({**example, "tools": [WEATHER]}).dropped_calls == 0


def test_deprecated_calls_become_calls_of_tools() -> None:
    example = {
        "messages": [
            {"role": "user", "content": "Oslo?"},
            {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"city": "Oslo"}'}, "weight": 0},
            {"role": "function", "name": "weather", "content": "4"},
            {"role": "assistant", "content": "4."},
        ],
        "functions": [WEATHER["function"]],
    }
    [row] = rows(example)
    [made] = row["prompt"][1]["tool_calls"]
    assert made["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert row["prompt"][2] == {"role": "tool", "content": "4", "tool_call_id": made["id"]}
    assert row["tools"] == [WEATHER]


@pytest.mark.parametrize(
    "answer",
    [
        {"content": None, "refusal": "No."},
        {"refusal": "No."},
        {"content": [{"type": "refusal", "refusal": "No."}]},
        {"content": [{"type": "text", "text": "No."}]},
    ],
)
def test_a_refusal_is_content(answer: dict[str, Any]) -> None:
    example = chat()
    example["messages"][1] = {"role": "assistant", **answer}
    assert rows(example)[0]["completion"] == [{"role": "assistant", "content": "No."}]


def test_preferences() -> None:
    assert rows(preference(), Method.DPO) == [
        {
            "prompt": [{"role": "user", "content": "Say hi."}],
            "chosen": [{"role": "assistant", "content": "Hi."}],
            "rejected": [{"role": "assistant", "content": "No."}],
            "tools": [],
        }
    ]


def test_images_keep_their_places_and_a_row_has_those_of_its_prompt() -> None:
    one, two = EncodedImage(b"1", "image/png"), EncodedImage(b"2", "image/jpeg")
    example = with_images(data_url(picture()))
    example["messages"] += [*with_images(data_url(picture()))["messages"][:1], {"role": "assistant", "content": "A circle."}]
    first, second = rows(example, images=[one, two])
    assert first["prompt"][0]["content"] == [{"type": "text", "text": "What is it?"}, {"type": "image"}]
    assert first["images"] == [{"data": "MQ==", "media_type": "image/png"}]
    assert [image["data"] for image in second["images"]] == ["MQ==", "Mg=="]


def test_arguments_of_different_types_in_one_file_stay_as_they_are() -> None:
    """A columnar format would unify them, with nulls for what a call does not have."""
    example = with_tools()
    example["messages"][2]["tool_calls"][0]["function"]["arguments"] = '{"city": 5, "nested": {"a": [1, "x"]}}'
    calls = rows(example)[0]["completion"][0]["tool_calls"]
    assert [each["function"]["arguments"] for each in calls] == [{"city": 5, "nested": {"a": [1, "x"]}}, {"city": "Rome"}]
