from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cluster.tuning.training import rows
from cluster.tuning.training.errors import InvalidRow

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "ho"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def supervised(**fields: Any) -> rows.SupervisedRow:
    return rows.supervised(3, json.dumps({"prompt": [USER], "completion": [ANSWER]} | fields))


def test_arguments_of_tool_calls_become_objects() -> None:
    row = supervised(completion=[{"role": "assistant", "content": None, "tool_calls": [CALL]}])
    assert row.completion["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert row.completion["content"] == ""


def test_text_parts_become_one_text() -> None:
    row = supervised(prompt=[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])
    assert row.prompt[0]["content"] == "ab"


def test_a_refusal_is_what_the_assistant_says() -> None:
    assert supervised(completion=[{"role": "assistant", "content": None, "refusal": "no"}]).completion == {
        "role": "assistant",
        "content": "no",
    }


def test_images_keep_their_places() -> None:
    content = [{"type": "text", "text": "see "}, {"type": "image"}]
    row = supervised(
        prompt=[{"role": "user", "content": content}], images=[{"data": base64.b64encode(b"x").decode(), "media_type": "image/png"}]
    )
    assert row.prompt[0]["content"] == content
    assert row.images == (b"x",)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompt": []}, "prompt is no list"),
        ({"prompt": [{"role": "user", "content": 5}]}, "neither text nor"),
        ({"completion": [USER]}, "no single message of the assistant"),
        ({"completion": [ANSWER, ANSWER]}, "no single message of the assistant"),
        ({"images": [{"data": "eA=="}]}, "0 places for images, 1 images"),
        ({"prompt": [{"role": "user", "content": [{"type": "image"}]}], "images": [{"data": "!"}]}, "no base64"),
        ({"prompt": [{"role": "system", "content": [{"type": "image"}]}]}, "only user messages"),
        ({"prompt": [{"role": "user", "content": [{"type": "audio"}]}]}, "neither text nor a place"),
        ({"completion": [{**ANSWER, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]}, "no JSON"),
        ({"completion": [{**ANSWER, "tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]}]}, "no JSON object"),
        ({"completion": [{**ANSWER, "tool_calls": [{}]}]}, "names no function"),
        ({"tools": {"a": 1}}, "tools is no list"),
    ],
)
def test_a_row_that_cannot_be_trained_is_named(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRow, match=f"^line 3: .*{reason}"):
        supervised(**fields)


def test_rows_of_preferences_have_no_images() -> None:
    with pytest.raises(InvalidRow, match="no images"):
        rows.preference(1, json.dumps({"prompt": [USER], "chosen": [ANSWER], "rejected": [ANSWER], "images": [{"data": ""}]}))


def test_lines_are_found_again_by_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "ü"}\n\n{"b": 2}\n', encoding="utf-8")
    found = list(rows.lines(path))
    assert [number for number, _, _ in found] == [1, 3]
    assert [json.loads(rows.line_at(path, offset)) for _, offset, _ in found] == [{"a": "ü"}, {"b": 2}]
