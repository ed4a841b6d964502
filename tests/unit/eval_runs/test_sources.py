"""Where a run's items come from: rows in the request, files, stored completions."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from cluster.config.settings.evals import EvalsSettings
from tests.unit.eval_runs.bench import CUSTOM, EXACT, TEMPLATE, Bench, row

AS_BEFORE = {
    "type": "string_check",
    "name": "as before",
    "input": "{{sample.output_text}}",
    "reference": "{{item.output[0].content}}",
    "operation": "eq",
}


async def upload(bench: Bench, content: str, purpose: str = "evals") -> str:
    """By a lenient client: the strict one's own types know no files for evals."""
    async with bench.served.client(strict=False) as client:
        return (await client.files.create(file=("items.jsonl", content.encode()), purpose=purpose)).id  # type: ignore[arg-type]


async def file_run(bench: Bench, eval_id: str, file_id: str) -> str:
    source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
    return (await bench.client.evals.runs.create(eval_id, data_source=source)).id


async def store(client: AsyncOpenAI, question: str, **fields: Any) -> str:
    messages: Any = [{"role": "user", "content": question}]
    answer = await client.chat.completions.create(model="demo", messages=messages, store=True, **fields)
    return str(answer.id)


async def test_answers_in_a_file_are_graded_without_asking_anybody(bench: Bench) -> None:
    lines = [{**row("q", "a"), "sample": {"output_text": text}} for text in ("a", "b")]
    file_id = await upload(bench, "\n".join(map(json.dumps, lines)) + "\n\n")
    eval_id = await bench.eval()
    run_id = await file_run(bench, eval_id, file_id)
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.model, done.result_counts.passed, done.result_counts.failed) == ("completed", "", 1, 1)
    assert done.per_model_usage == []
    assert bench.models.requests == []
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert [each.sample.output[0].content for each in items] == ["a", "b"]


async def test_a_file_with_bad_lines_fails_the_run_before_anything_is_spent(bench: Bench) -> None:
    lines = ['{"item": {"question": "a", "answer": "b"}}', "{", "", '{"item": {"question": 1, "answer": "b"}}', '{"answer": 3}']
    file_id = await upload(bench, "\n".join(lines))
    eval_id = await bench.eval()
    source: Any = {"type": "file_id", "id": file_id}
    run_id = await bench.start(eval_id, [], source=source)
    await bench.work()
    failed = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (failed.status, failed.error.code, failed.result_counts.total) == ("failed", "invalid_file", 0)
    message = failed.error.message
    assert message.startswith("3 lines can't be used. Line 2: it is not JSON")
    assert "Line 4: 'item.question' does not fit the eval's item schema: 1 is not of type 'string'." in message
    assert "Line 5: it has the key 'answer'" in message
    assert bench.models.requests == []


@pytest.mark.parametrize("settings", [EvalsSettings(max_items_per_run=3, max_item_bytes=1024)], ids=[""])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("\n\n", "no_items"),
        ('{"item": {"question": "", "answer": ""}}\n' * 4, "too_many_items"),
        ("x" * 2000, "invalid_file"),
    ],
)
async def test_a_file_that_is_empty_or_too_large_fails_the_run(bench: Bench, content: str, code: str) -> None:
    eval_id = await bench.eval()
    run_id = await file_run(bench, eval_id, await upload(bench, content))
    await bench.work()
    failed = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (failed.status, failed.error.code) == ("failed", code)


async def test_a_file_that_is_deleted_before_its_run_fails_it(bench: Bench) -> None:
    file_id = await upload(bench, json.dumps(row("a")))
    eval_id = await bench.eval()
    run_id = await file_run(bench, eval_id, file_id)
    await bench.client.files.delete(file_id)
    await bench.work()
    failed = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (failed.status, failed.error.code) == ("failed", "file_not_found")


async def test_lines_are_split_wherever_the_storage_splits_its_pieces(bench: Bench) -> None:
    lines = [json.dumps({"item": {"question": "é" * 40_000, "answer": str(n)}}, ensure_ascii=False) for n in range(40)]
    eval_id = await bench.eval([{**EXACT, "input": "{{item.answer}}"}])
    run_id = await file_run(bench, eval_id, await upload(bench, "\r\n".join(lines)))
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.result_counts.passed) == ("completed", 40)


async def test_stored_answers_are_graded_as_they_are(bench: Bench) -> None:
    for question in ("a", "b", "c"):
        await store(bench.client, question, metadata={"task": "t" if question != "c" else "other"})
    eval_id = await bench.eval([AS_BEFORE], {"type": "stored_completions", "metadata": {"task": "t"}})
    asked = len(bench.models.requests)
    source: Any = {"type": "completions", "source": {"type": "stored_completions"}}
    run_id = (await bench.client.evals.runs.create(eval_id, data_source=source)).id
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.result_counts.passed, done.per_model_usage) == ("completed", 2, [])
    assert len(bench.models.requests) == asked
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert [each.sample.output[0].content for each in items] == ["b", "a"]  # newest first
    assert items[0].datasource_item["metadata"] == {"task": "t"}
    assert (items[0].sample.model, items[0].sample.usage.prompt_tokens) == ("demo", 2000)


async def test_another_model_is_asked_what_was_asked_before_with_the_same_tools(bench: Bench) -> None:
    tool: Any = {"type": "function", "function": {"name": "order", "parameters": {"type": "object", "properties": {}}}}
    await store(bench.client, "What?", tools=[tool])
    bench.models.answer = lambda body: "student" if body["model"] == "other" else "teacher"
    eval_id = await bench.eval([AS_BEFORE], {"type": "logs"})
    source: Any = {"type": "completions", "model": "other", "source": {"type": "stored_completions", "model": "demo"}}
    run_id = (await bench.client.evals.runs.create(eval_id, data_source=source)).id
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.result_counts.failed, done.per_model_usage[0].run_model_name) == ("completed", 1, "other")
    asked = bench.models.asked[-1]
    assert (asked["model"], asked["messages"], asked["tools"][0]["function"]["name"]) == (
        "other",
        [{"role": "user", "content": "What?"}],
        "order",
    )


async def test_the_newest_are_taken_up_to_a_limit_and_times_are_held(bench: Bench) -> None:
    stored = [await store(bench.client, str(n)) for n in range(4)]
    eval_id = await bench.eval([AS_BEFORE], {"type": "logs"})

    async def chosen(**wanted: Any) -> list[str]:
        source: Any = {"type": "completions", "source": {"type": "stored_completions", **wanted}}
        run_id = (await bench.client.evals.runs.create(eval_id, data_source=source)).id
        await bench.work()
        items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
        return [str(each.sample.output[0].content) for each in items]

    assert await chosen(limit=2) == ["3", "2"]
    assert len(stored) == len(await chosen(created_after=1_700_000_000, limit=None))
    assert await chosen(created_before=1_700_000_000) == []
    assert await chosen(created_after=4_000_000_000) == []


async def test_a_stored_completion_that_is_deleted_meanwhile_is_an_error_of_its_item(bench: Bench) -> None:
    first, _ = await store(bench.client, "a"), await store(bench.client, "b")
    eval_id = await bench.eval([AS_BEFORE], {"type": "logs"})
    source: Any = {"type": "completions", "source": {"type": "stored_completions"}}
    run_id = (await bench.client.evals.runs.create(eval_id, data_source=source)).id
    runs = bench.served.storage.completions
    chosen = runs.ids

    async def then_deleted(*arguments: Any) -> list[str]:
        ids = await chosen(*arguments)
        await bench.client.chat.completions.delete(first)
        return ids

    runs.ids = then_deleted  # type: ignore[method-assign,assignment]
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.result_counts.passed, done.result_counts.errored) == ("completed", 1, 1)
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id, order="desc", limit=1)).data
    assert (items[0].sample.error.code, "was deleted" in items[0].sample.error.message) == ("invalid_item", True)


async def test_a_prompt_may_be_a_reference_to_messages_or_text_in_the_item(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"input": {}, "answer": {"type": "string"}}, "required": ["input", "answer"]}
    eval_id = await bench.eval(source={**CUSTOM, "item_schema": schema})
    rows: list[dict[str, Any]] = [
        {"item": {"input": "text", "answer": "text"}},
        {"item": {"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "list"}], "answer": "list"}},
        {"item": {"input": 3, "answer": "3"}},
    ]
    run_id = await bench.start(eval_id, rows, input_messages={"type": "item_reference", "item_reference": "item.input"})
    await bench.work()
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert [each.status for each in items] == ["pass", "pass", "error"]
    assert items[2].sample.error.message == "'item.input' is neither a text nor a list of messages"


async def test_responses_style_sampling_is_asked_as_a_chat(bench: Bench) -> None:
    eval_id = await bench.eval()
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    tool = {"type": "function", "name": "look_up", "parameters": schema, "strict": True}
    form = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
    run_id = await bench.start(eval_id, [row("a")], type="responses", sampling_params={"tools": [tool], "text": form})
    await bench.work()
    assert (await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)).status == "completed"
    asked = bench.models.asked[0]
    assert asked["tools"][0]["function"]["name"] == "look_up"
    assert asked["response_format"]["json_schema"]["name"] == "answer"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "jsonl"}, "data_source.source", "missing_required_parameter"),
    ({"type": "nothing"}, "data_source.type", "invalid_value"),
    ({"type": "responses", "source": {"type": "responses"}}, "data_source.source.type", "unsupported_value"),
    ({"type": "jsonl", "source": {"type": "stored_completions"}}, "data_source.source.type", "invalid_value"),
    (
        {"type": "jsonl", "source": {"type": "file_content", "content": [row("a"), {"item": {"question": 1, "answer": ""}}]}},
        "data_source.source.content.1.item.question",
        "invalid_value",
    ),
    ({"type": "jsonl", "source": {"type": "file_content", "content": []}}, "data_source.source.content", "empty_array"),
    ({"type": "jsonl", "source": {"type": "file_id", "id": "file-x"}}, "data_source.source.id", "file_not_found"),
    (
        {"type": "completions", "source": {"type": "file_content", "content": [row("a")]}},
        "data_source.model",
        "missing_required_parameter",
    ),
    (
        {"type": "completions", "model": "demo", "source": {"type": "file_content", "content": [row("a")]}},
        "data_source.input_messages",
        "missing_required_parameter",
    ),
    (
        {
            "type": "completions",
            "model": "none",
            "input_messages": TEMPLATE,
            "source": {"type": "file_content", "content": [row("a")]},
        },
        "data_source.model",
        "model_not_found",
    ),
    (
        {
            "type": "completions",
            "model": "demo",
            "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{sample.output_text}}"}]},
            "source": {"type": "file_content", "content": [row("a")]},
        },
        "data_source.input_messages.template.0.content",
        "invalid_value",
    ),
    (
        {
            "type": "completions",
            "model": "demo",
            "input_messages": {"type": "item_reference", "item_reference": "item.nothing"},
            "source": {"type": "file_content", "content": [row("a")]},
        },
        "data_source.input_messages.item_reference",
        "invalid_value",
    ),
    (
        {"type": "completions", "source": {"type": "stored_completions"}, "sampling_params": {"seed": 1}},
        "data_source.sampling_params",
        "invalid_parameter_combination",
    ),
    (
        {
            "type": "responses",
            "model": "demo",
            "input_messages": TEMPLATE,
            "source": {"type": "file_content", "content": [row("a")]},
            "sampling_params": {"tools": [{"type": "web_search"}]},
        },
        "data_source.sampling_params.tools.0.type",
        "unsupported_value",
    ),
    (
        {
            "type": "completions",
            "model": "demo",
            "input_messages": TEMPLATE,
            "source": {"type": "file_content", "content": [row("a")]},
            "sampling_params": {"temperature": 3},
        },
        "data_source.sampling_params.temperature",
        "decimal_above_max_value",
    ),
]


async def test_what_can_not_be_run_is_refused_by_the_name_of_the_field(bench: Bench) -> None:
    eval_id = await bench.eval()
    for source, param, code in REFUSED:
        with pytest.raises(openai.BadRequestError) as refused:
            await bench.client.evals.runs.create(eval_id, data_source=source)  # type: ignore[arg-type]
        assert (refused.value.param, refused.value.code) == (param, code), source
    assert (await bench.client.evals.runs.list(eval_id)).data == []


async def test_a_file_of_another_purpose_is_refused(bench: Bench) -> None:
    file_id = await upload(bench, json.dumps(row("a")), "user_data")
    eval_id = await bench.eval()
    with pytest.raises(openai.BadRequestError) as refused:
        await file_run(bench, eval_id, file_id)
    assert refused.value.param == "data_source.source.id"


async def test_a_filter_that_contradicts_its_eval_is_refused(bench: Bench) -> None:
    eval_id = await bench.eval([AS_BEFORE], {"type": "logs", "metadata": {"task": "a"}})
    source: Any = {"type": "completions", "source": {"type": "stored_completions", "metadata": {"task": "b"}}}
    with pytest.raises(openai.BadRequestError) as refused:
        await bench.client.evals.runs.create(eval_id, data_source=source)
    assert refused.value.param == "data_source.source.metadata.task"
