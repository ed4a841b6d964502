"""What is exported of stored completions can be trained on as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.completions.training_example import training_example
from cluster.tuning.rows.lines import Line
from cluster.tuning.rows.parse import Method, parse
from tests.unit.fine_tuning.samples import WEATHER, call, data_url, picture

ANSWER = {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "4."}}]}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": "kim"}],
        [{"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(picture()), "detail": "low"}}]}],
        [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "user", "content": "?"},
        ],
        [{"role": "user", "content": "?"}, {"role": "assistant", "reasoning": "Hm."}, {"role": "user", "content": "?"}],
        [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "tool_calls": [{**call("a"), "index": 0}]},
            {"role": "tool", "tool_call_id": "a", "content": "4"},
        ],
        [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            {"role": "function", "name": "weather", "content": "4"},
        ],
    ],
    ids=["developer", "breakpoint", "image", "refusal", "thought", "tools", "function"],
)
def test_an_exported_line_is_in_order(messages: list[dict[str, Any]]) -> None:
    request = {"messages": messages, "tools": [WEATHER], "parallel_tool_calls": False}
    example = training_example(request, ANSWER)
    assert isinstance(example, dict)
    found = parse(Line(1, json.dumps(example).encode()), Method.SUPERVISED, takes_images=True)
    assert not isinstance(found, list), [str(problem) for problem in found]
