"""What the evaluated model is asked, how often, and what is shown of its answer."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import InvalidRequest, OssatureError, Overloaded, RateLimited
from cluster.evals.asking import Reply
from cluster.evals.runs.data_source import RunSource, parse_run_source
from cluster.evals.runs.rows import Row, stored_row
from cluster.evals.runs.sampling import Sampler
from tests.unit.evals.fake_judge import USAGE, FakeJudge

CALL = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": "{}"}}
ROW = Row(0, {"question": "Q"})


def sampled(**fields: Any) -> RunSource:
    return parse_run_source(
        {
            "type": "completions",
            "model": "m",
            "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.question}}?"}]},
            "source": {"type": "file_id", "id": "file-x"},
            **fields,
        }
    )


def sampler(answers: list[Reply | OssatureError], attempts: int = 3) -> tuple[Sampler, FakeJudge]:
    model = FakeJudge(answers)
    return Sampler(model, attempts, max_delay_s=30.0, sleep=model.sleep), model


async def test_a_busy_cluster_is_asked_again_after_ever_longer_waits() -> None:
    busy = [RateLimited("busy", retry_after_s=4.0), Overloaded("full", retry_after_s=None), Overloaded("full", retry_after_s=50.0)]
    asking, model = sampler([*busy, Reply("yes", USAGE, finish_reason="stop")], attempts=4)
    sample = await asking.sample(sampled(), ROW)
    assert model.slept == [4.0, 1.0, 30.0]
    assert (sample.fault, sample.namespace["output_text"], len(model.asked)) == (None, "yes", 4)


@pytest.mark.parametrize(
    ("error", "asked"), [(InvalidRequest("wrong", param="messages", code="invalid_value"), 1), (Overloaded("full"), 3)]
)
async def test_what_does_not_pass_is_the_items_error(error: OssatureError, asked: int) -> None:
    asking, model = sampler([error] * 3)
    sample = await asking.sample(sampled(), ROW)
    shown = sample.to_json()
    assert len(model.asked) == asked
    assert shown["error"] == {"code": error.code, "message": error.message}
    assert (shown["input"], shown["output"], shown["model"]) == ([{"role": "user", "content": "Q?"}], [], "m")
    assert sample.usage == ()


async def test_calls_of_tools_are_shown_and_can_be_graded() -> None:
    asking, _ = sampler([Reply(None, USAGE, finish_reason="tool_calls", tool_calls=(CALL,))])
    sample = await asking.sample(sampled(), ROW)
    assert sample.namespace["output_tools"] == [CALL]
    assert sample.to_json()["output"] == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]
    assert sample.usage[0].total_tokens == USAGE.total_tokens


async def test_a_prompt_that_the_item_does_not_give_is_its_error_and_nobody_is_asked() -> None:
    asking, model = sampler([])
    sample = await asking.sample(sampled(), Row(0, {"other": 1}))
    assert sample.fault is not None
    assert sample.fault[0] == "invalid_input_messages"
    assert "item.question" in sample.fault[1]
    assert model.asked == []


async def test_a_stored_completion_is_asked_again_as_it_was_but_for_what_the_run_says() -> None:
    request = {
        "model": "teacher",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "tools": [{"type": "function", "function": {"name": "order"}}],
        "temperature": 0.1,
    }
    answer = {"role": "assistant", "content": "Hello", "refusal": None}
    response = {"model": "teacher", "choices": [{"message": answer, "finish_reason": "stop"}]}
    row = stored_row(3, request, response, {"task": "a"})
    assert row.item == {
        "input": request["messages"],
        "output": [{"role": "assistant", "content": "Hello"}],
        "metadata": {"task": "a"},
        "model": "teacher",
    }
    source = sampled(source={"type": "stored_completions"}, input_messages=None, sampling_params={"temperature": 0.7})
    asking, model = sampler([Reply("Hey", USAGE, finish_reason="stop")])
    sample = await asking.sample(source, row)
    (asked,) = model.asked
    assert (asked.model, list(asked.messages), asked.options["tools"]) == ("m", request["messages"], request["tools"])
    assert (asked.options["temperature"], asked.options["seed"]) == (0.7, 42)
    assert sample.to_json()["input"] == [{"role": "user", "content": "Hi"}]


async def test_an_answer_that_came_with_its_item_has_what_follows_from_its_text() -> None:
    asking, _ = sampler([])
    jsonl = parse_run_source({"type": "jsonl", "source": {"type": "file_id", "id": "file-x"}})
    sample = await asking.sample(jsonl, Row(0, {}, {"output_text": '{"a": 1}', "model": "elsewhere", "mine": True}))
    assert sample.namespace == {
        "output_text": '{"a": 1}',
        "output_json": {"a": 1},
        "output_tools": [],
        "model": "elsewhere",
        "mine": True,
    }
    assert sample.to_json()["model"] == "elsewhere"
    none = await asking.sample(jsonl, Row(0, {}))
    assert (none.namespace, none.to_json()["output"]) == ({}, [])
