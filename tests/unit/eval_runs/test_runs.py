"""Runs of evals as OpenAI's own client sees them, over a real socket, a real database and real jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from cluster.config.settings.evals import EvalsSettings
from cluster.errors import EngineFailed
from cluster.jobs.model import JobState
from tests.unit.eval_runs.bench import EXACT, Bench, row
from tests.unit.eval_runs.fake_models import last_user
from tests.unit.storage.served import ACME

ZERO = {"total": 0, "errored": 0, "failed": 0, "passed": 0}


async def test_a_run_samples_grades_and_counts(bench: Bench) -> None:
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row("a"), row("b", "x"), row("c")])
    runs = bench.client.evals.runs
    queued = await runs.retrieve(run_id, eval_id=eval_id)
    assert (queued.status, queued.result_counts.to_dict(), queued.model) == ("queued", ZERO, "demo")
    await bench.work()
    done = await runs.retrieve(run_id, eval_id=eval_id)
    assert done.status == "completed"
    assert done.result_counts.to_dict() == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    assert [each.to_dict() for each in done.per_testing_criteria_results] == [
        {"testing_criteria": "exact", "passed": 2, "failed": 1}
    ]
    (usage,) = done.per_model_usage
    assert (usage.run_model_name, usage.invocation_count, usage.prompt_tokens, usage.completion_tokens) == ("demo", 3, 6000, 12)
    assert done.to_dict()["progress"] == {"done": 3, "total": 3}
    items = [each async for each in runs.output_items.list(run_id, eval_id=eval_id)]
    assert [(each.datasource_item_id, each.status, each.datasource_item["question"]) for each in items] == [
        (0, "pass", "a"),
        (1, "fail", "b"),
        (2, "pass", "c"),
    ]
    sample = items[1].sample
    assert [message.to_dict() for message in sample.input] == [{"role": "user", "content": "b"}]
    assert [message.to_dict() for message in sample.output] == [{"role": "assistant", "content": "b"}]
    assert (sample.finish_reason, sample.temperature, sample.top_p, sample.seed) == ("stop", 1, 1, 42)
    assert (sample.error.code, items[1].results[0].passed, items[1].results[0].score) == ("", False, 0)
    one = await runs.output_items.retrieve(items[0].id, eval_id=eval_id, run_id=run_id)
    assert one.to_dict() == items[0].to_dict()


async def test_items_are_listed_by_status_and_in_both_orders(bench: Bench) -> None:
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row(str(n), None if n % 2 else "no") for n in range(7)])
    await bench.work()
    listed = bench.client.evals.runs.output_items.list

    async def places(**query: Any) -> list[int]:
        return [each.datasource_item_id async for each in listed(run_id, eval_id=eval_id, limit=2, **query)]

    assert await places() == list(range(7))
    assert await places(order="desc") == list(range(7))[::-1]
    assert await places(status="pass") == [1, 3, 5]
    assert await places(status="fail") == [0, 2, 4, 6]
    with pytest.raises(openai.BadRequestError):
        await listed(run_id, eval_id=eval_id, after="outputitem_" + "0" * 32)


async def test_the_model_is_asked_as_the_run_says(bench: Bench) -> None:
    eval_id = await bench.eval()
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    sampling = {"temperature": 0.25, "seed": 7, "max_completion_tokens": 9, "tools": [tool], "top_p": None}
    await bench.start(eval_id, [row("a")], sampling_params=sampling)
    await bench.work()
    (asked,) = bench.models.asked
    assert {name: asked[name] for name in ("model", "temperature", "seed", "max_completion_tokens", "top_p")} == {
        "model": "demo",
        "temperature": 0.25,
        "seed": 7,
        "max_completion_tokens": 9,
        "top_p": 1.0,
    }
    assert asked["tools"][0]["function"]["name"] == "look_up"


@pytest.mark.parametrize("settings", [EvalsSettings(sample_attempts=1)], ids=[""])
async def test_an_items_error_is_its_own(bench: Bench) -> None:
    def answer(body: dict[str, Any]) -> str | Exception:
        return EngineFailed("The engine stumbled.") if last_user(body) == "bad" else last_user(body)

    bench.models.answer = answer
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row("good"), row("bad"), row("fine")])
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert (done.status, done.result_counts.to_dict()) == ("completed", {"total": 3, "errored": 1, "failed": 0, "passed": 2})
    assert (done.per_testing_criteria_results[0].passed, done.per_testing_criteria_results[0].failed) == (2, 1)
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert [each.status for each in items] == ["pass", "error", "pass"]
    assert (items[1].sample.error.code, items[1].sample.output) == ("engine_failed", [])
    assert "there is nothing to grade" in str(items[1].results[0].to_dict()["error"])


async def test_an_item_without_the_value_that_is_graded_is_in_error(bench: Bench) -> None:
    criterion = {**EXACT, "input": "{{sample.output_json.label}}"}
    eval_id = await bench.eval([criterion])
    bench.models.answer = lambda body: '{"label": "x"}' if last_user(body) == "json" else "no JSON"
    run_id = await bench.start(eval_id, [row("json", "x"), row("text", "x")])
    await bench.work()
    items = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert [each.status for each in items] == ["pass", "error"]
    assert items[1].results[0].to_dict()["error"]["code"] == "sample_parse_error"  # type: ignore[index]


async def test_a_model_grades_and_its_tokens_are_counted(bench: Bench) -> None:
    judge = {
        "type": "label_model",
        "name": "kind",
        "model": "other",
        "input": [{"role": "user", "content": "Is {{sample.output_text}} kind?"}],
        "labels": ["yes", "no"],
        "passing_labels": ["yes"],
    }
    bench.models.answer = lambda body: '{"verdict": "yes"}' if body["model"] == "other" else "hello"
    eval_id = await bench.eval([judge])
    run_id = await bench.start(eval_id, [row("a"), row("b")])
    await bench.work()
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert done.result_counts.passed == 2
    assert {each.run_model_name: each.invocation_count for each in done.per_model_usage} == {"demo": 2, "other": 2}


async def test_runs_are_listed_by_status_and_deleted(bench: Bench) -> None:
    eval_id = await bench.eval()
    first = await bench.start(eval_id, [row("a")])
    await bench.work()
    second = await bench.start(eval_id, [row("b")])
    runs = bench.client.evals.runs

    async def ids(**query: Any) -> list[str]:
        return [each.id async for each in runs.list(eval_id, limit=1, **query)]

    assert await ids() == [first, second]
    assert await ids(order="desc") == [second, first]
    assert await ids(status="completed") == [first]
    assert await ids(status="queued") == [second]
    assert await ids(status="failed") == []
    deleted = await runs.delete(second, eval_id=eval_id)
    assert (deleted.deleted, deleted.run_id, deleted.object) == (True, second, "eval.run.deleted")
    assert await ids() == [first]
    await bench.work()
    assert await bench.ended(second) is JobState.CANCELLED
    with pytest.raises(openai.NotFoundError):
        await runs.retrieve(second, eval_id=eval_id)


@pytest.mark.parametrize("settings", [EvalsSettings(item_concurrency=2)], ids=[""])
async def test_a_cancelled_run_leaves_off_and_keeps_what_it_has(bench: Bench) -> None:
    bench.models.gate = gate = asyncio.Event()
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row(str(n)) for n in range(20)])
    runs = bench.client.evals.runs
    async with bench.working():
        while bench.models.waiting < 2:  # noqa: ASYNC110 - the models tell nobody
            await asyncio.sleep(0.005)
        gate.set()
        gate.clear()
        while not (await runs.retrieve(run_id, eval_id=eval_id)).result_counts.total:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
        going = await runs.retrieve(run_id, eval_id=eval_id)
        assert (going.status, going.to_dict()["progress"]["total"]) == ("in_progress", 20)  # type: ignore[index]
        cancelled = await runs.cancel(run_id, eval_id=eval_id)
        assert cancelled.status in ("in_progress", "canceled")
        assert await bench.ended(run_id) is JobState.CANCELLED
    assert bench.models.cancelled > 0
    over = await runs.retrieve(run_id, eval_id=eval_id)
    assert over.status == "canceled"
    assert 0 < over.result_counts.total < 20
    with pytest.raises(openai.ConflictError):
        await bench.client.evals.runs.cancel(await _completed(bench, eval_id), eval_id=eval_id)


async def _completed(bench: Bench, eval_id: str) -> str:
    bench.models.gate = None
    run_id = await bench.start(eval_id, [row("a")])
    await bench.work()
    return run_id


@pytest.mark.parametrize("settings", [EvalsSettings(item_concurrency=3)], ids=[""])
async def test_a_run_that_begins_again_does_only_what_is_left_and_nothing_twice(bench: Bench) -> None:
    """The worker is shut down in mid-run; another one goes on."""
    bench.models.gate = gate = asyncio.Event()
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row(str(n)) for n in range(12)])
    async with bench.working():
        while bench.models.waiting < 3:  # noqa: ASYNC110 - the models tell nobody
            await asyncio.sleep(0.005)
        gate.set()
        gate.clear()
        while (await bench.served.jobs.get(ACME, run_id)).state is JobState.RUNNING:
            run = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
            if run.result_counts.total >= 3:
                break
            await asyncio.sleep(0.005)
    written = (await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)).result_counts.total
    assert 3 <= written < 12
    before = [each.to_dict() for each in (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data]
    bench.models.gate = None
    asked = len(bench.models.requests)
    await bench.work()
    assert await bench.ended(run_id) is JobState.SUCCEEDED
    assert len(bench.models.requests) - asked == 12 - written
    items = [each.to_dict() async for each in bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)]
    assert [each["datasource_item_id"] for each in items] == list(range(12))
    assert [each for each in items if each in before] == before
    done = await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert done.result_counts.to_dict() == {"total": 12, "errored": 0, "failed": 0, "passed": 12}
    assert done.per_model_usage[0].invocation_count == 12


async def test_a_deleted_eval_takes_its_runs_along(bench: Bench) -> None:
    eval_id = await bench.eval()
    done = await bench.start(eval_id, [row("a")])
    await bench.work()
    waiting = await bench.start(eval_id, [row("a")])
    assert (await bench.client.evals.delete(eval_id)).deleted
    assert await bench.ended(waiting) is JobState.CANCELLED
    for run_id in (done, waiting):
        with pytest.raises(openai.NotFoundError):
            await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)
    assert bench.models.asked[-1]["messages"][-1]["content"] == "a"
    assert len(bench.models.asked) == 1


@pytest.mark.parametrize("settings", [EvalsSettings(item_concurrency=4)], ids=[""])
async def test_items_run_side_by_side_up_to_the_limit(bench: Bench) -> None:
    bench.models.gate = gate = asyncio.Event()
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row(str(n)) for n in range(9)])
    async with bench.working():
        while bench.models.waiting < 4:  # noqa: ASYNC110 - the models tell nobody
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert bench.models.waiting == 4
        gate.set()
        assert await bench.ended(run_id) is JobState.SUCCEEDED
