"""Evals themselves, bodies against the API's description, and who sees what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from cluster.config.settings.evals import EvalsSettings
from tests.openai_schema import SchemaOracle
from tests.unit.eval_runs.bench import CUSTOM, EXACT, Bench, row

ROOT = "/v1/evals"
JUDGE = {
    "type": "score_model",
    "name": "score",
    "model": "other",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}
SIMILAR = {
    "type": "text_similarity",
    "name": "similar",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.5,
}
PYTHON = {"type": "python", "name": "py", "source": "def grade(sample, item):\n    return 1.0\n"}


async def test_evals_are_created_listed_changed_and_deleted(bench: Bench) -> None:
    evals = bench.client.evals
    first = await evals.create(data_source_config=CUSTOM, testing_criteria=[EXACT], name="one", metadata={"a": "1"})  # type: ignore[list-item,arg-type]
    second = await bench.eval(name="two")
    assert (first.name, first.metadata, first.object) == ("one", {"a": "1"}, "eval")
    assert [criterion.to_dict() for criterion in first.testing_criteria] == [EXACT]
    assert (await evals.retrieve(first.id)).to_dict() == first.to_dict()

    async def ids(**query: Any) -> list[str]:
        return [each.id async for each in evals.list(limit=1, **query)]

    assert await ids() == [first.id, second]
    assert await ids(order="desc") == [second, first.id]
    changed = await evals.update(first.id, name="new", metadata={"b": "2"})
    assert (changed.name, changed.metadata) == ("new", {"b": "2"})
    assert await ids(order_by="updated_at") == [second, first.id]
    deleted = await evals.delete(second)
    assert (deleted.deleted, deleted.eval_id, deleted.object) == (True, second, "eval.deleted")
    assert await ids() == [first.id]
    for call in (evals.retrieve, evals.delete, evals.runs.list):
        with pytest.raises(openai.NotFoundError) as missing:
            await call(second)
        assert (missing.value.param, missing.value.code) == ("eval_id", "eval_not_found")


async def test_an_eval_that_can_not_work_is_refused_by_the_name_of_the_field(bench: Bench) -> None:
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({"testing_criteria": [EXACT]}, "data_source_config", "missing_required_parameter"),
        ({"data_source_config": CUSTOM, "testing_criteria": []}, "testing_criteria", "empty_array"),
        (
            {"data_source_config": CUSTOM, "testing_criteria": [{**EXACT, "reference": "{{item.anwser}}"}]},
            "testing_criteria.0.reference",
            "invalid_value",
        ),
        (
            {"data_source_config": {**CUSTOM, "include_sample_schema": False}, "testing_criteria": [EXACT]},
            "testing_criteria.0.input",
            "invalid_value",
        ),
        (
            {"data_source_config": CUSTOM, "testing_criteria": [EXACT, {**JUDGE, "model": "none"}]},
            "testing_criteria.1.model",
            "model_not_found",
        ),
        ({"data_source_config": CUSTOM, "testing_criteria": [EXACT], "nam": "x"}, "nam", "unrecognized_request_argument"),
    ]
    async with bench.served.http_client() as http:
        for body, param, code in refused:
            answer = await http.post(ROOT, json=body)
            error = answer.json()["error"]
            assert (answer.status_code, error["param"], error["code"]) == (400, param, code), body


@pytest.mark.parametrize(
    "settings", [EvalsSettings(python_graders=False, max_evals_per_organization=2, max_runs_per_organization=1)], ids=[""]
)
async def test_limits_and_switched_off_graders_are_told(bench: Bench) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await bench.eval([PYTHON])
    assert refused.value.param == "testing_criteria.0.type"
    eval_id = await bench.eval()
    await bench.eval()
    with pytest.raises(openai.PermissionDeniedError):
        await bench.eval()
    await bench.start(eval_id, [row("a")])
    with pytest.raises(openai.PermissionDeniedError):
        await bench.start(eval_id, [row("a")])


async def test_a_grader_in_python_without_a_sandbox_is_an_error_that_says_so(bench: Bench) -> None:
    eval_id = await bench.eval([PYTHON])
    run_id = await bench.start(eval_id, [row("a")])
    await bench.work()
    (item,) = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data
    assert item.status == "error"
    assert "There is no sandbox here." in str(item.results[0].to_dict())


async def test_bodies_are_of_the_api_description(bench: Bench, oracle: SchemaOracle) -> None:
    bench.models.answer = lambda body: '{"verdict": 0.9}' if body["model"] == "other" else "a"
    sampled = {
        "type": "completions",
        "model": "demo",
        # A text of one's own would be two of the description's kinds of messages at once, of which it wants one.
        "input_messages": {
            "type": "template",
            "template": [{"role": "user", "content": {"type": "input_text", "text": "{{item.question}}"}}],
        },
        "source": {"type": "file_content", "content": [row("a"), row("b")]},
        "sampling_params": {"temperature": 0.5, "seed": None},
    }
    graded = {
        "type": "jsonl",
        "source": {"type": "file_content", "content": [{**row("a"), "sample": {"output_text": "a"}}, row("b")]},
    }
    async with bench.served.http_client() as http:
        made = await http.post(
            ROOT,
            json={"data_source_config": CUSTOM, "testing_criteria": [EXACT, SIMILAR, JUDGE, PYTHON], "metadata": {"a": "b"}},
        )
        assert (made.status_code, oracle.problems("Eval", made.json())) == (201, [])
        eval_id = made.json()["id"]
        logs = await http.post(
            ROOT, json={"data_source_config": {"type": "logs"}, "testing_criteria": [SIMILAR | {"reference": "x"}]}
        )
        assert (logs.status_code, oracle.problems("Eval", logs.json())) == (201, [])
        assert oracle.problems("EvalList", (await http.get(ROOT)).json()) == []
        for source in (sampled, graded):
            started = await http.post(f"{ROOT}/{eval_id}/runs", json={"data_source": source})
            assert (started.status_code, oracle.problems("EvalRun", started.json())) == (201, [])
            assert started.json()["report_url"] == f"{bench.served.url}{ROOT}/{eval_id}/runs/{started.json()['id']}/report"
        await bench.work()
        runs = (await http.get(f"{ROOT}/{eval_id}/runs")).json()
        assert oracle.problems("EvalRunList", runs) == []
        assert {run["status"] for run in runs["data"]} == {"completed"}
        for run in runs["data"]:
            path = f"{ROOT}/{eval_id}/runs/{run['id']}"
            assert oracle.problems("EvalRun", (await http.get(path)).json()) == []
            items = (await http.get(f"{path}/output_items")).json()
            assert oracle.problems("EvalRunOutputItemList", items) == []
            assert len(items["data"]) == 2
            item = (await http.get(f"{path}/output_items/{items['data'][0]['id']}")).json()
            assert oracle.problems("EvalRunOutputItem", item) == []


@pytest.mark.parametrize("key", ["sk-globex", "sk-acme-other"])
async def test_nobody_else_sees_runs_or_uses_anything(bench: Bench, key: str) -> None:
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row("a")])
    await bench.work()
    item_id = (await bench.client.evals.runs.output_items.list(run_id, eval_id=eval_id)).data[0].id
    async with bench.served.client(strict=False) as owner:
        file = await owner.files.create(file=("i.jsonl", json.dumps(row("a")).encode()), purpose="evals")
    await bench.client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "x"}], store=True)
    async with bench.served.client(key) as stranger:
        evals = stranger.evals
        assert (await evals.list()).data == []
        calls: list[Any] = [
            evals.retrieve(eval_id),
            evals.update(eval_id, name="mine"),
            evals.delete(eval_id),
            evals.runs.list(eval_id),
            evals.runs.retrieve(run_id, eval_id=eval_id),
            evals.runs.cancel(run_id, eval_id=eval_id),
            evals.runs.delete(run_id, eval_id=eval_id),
            evals.runs.output_items.list(run_id, eval_id=eval_id),
            evals.runs.output_items.retrieve(item_id, eval_id=eval_id, run_id=run_id),
            evals.runs.create(eval_id, data_source={"type": "jsonl", "source": {"type": "file_id", "id": file.id}}),
            stranger.get(f"/evals/{eval_id}/runs/{run_id}/report", cast_to=httpx.Response),
            stranger.get(f"/evals/{eval_id}/runs/{run_id}/comparison?baseline={run_id}", cast_to=httpx.Response),
        ]
        for call in calls:
            with pytest.raises(openai.NotFoundError):
                await call
        with pytest.raises(openai.BadRequestError):
            await evals.list(after=eval_id)
        # With an eval of their own they reach neither the other's runs, nor its files, nor its completions.
        own = (await evals.create(data_source_config=CUSTOM, testing_criteria=[EXACT])).id  # type: ignore[list-item,arg-type]
        for call in (
            evals.runs.retrieve(run_id, eval_id=own),
            evals.runs.output_items.list(run_id, eval_id=own),
            stranger.get(f"/evals/{own}/runs/{run_id}/report", cast_to=httpx.Response),
        ):
            with pytest.raises(openai.NotFoundError):
                await call
        with pytest.raises(openai.BadRequestError) as refused:
            await evals.runs.create(own, data_source={"type": "jsonl", "source": {"type": "file_id", "id": file.id}})
        assert refused.value.code == "file_not_found"
        with pytest.raises(openai.BadRequestError):
            await evals.runs.list(own, after=run_id)
        started = await evals.runs.create(own, data_source={"type": "completions", "source": {"type": "stored_completions"}})
        await bench.work()
        ended = await evals.runs.retrieve(started.id, eval_id=own)
        assert (ended.status, ended.error.code) == ("failed", "no_items")
        with pytest.raises(openai.BadRequestError):
            await stranger.get(f"/evals/{own}/runs/{started.id}/comparison?baseline={run_id}", cast_to=httpx.Response)
    assert (await bench.client.evals.runs.retrieve(run_id, eval_id=eval_id)).status == "completed"


async def test_every_endpoint_is_documented(bench: Bench) -> None:
    page = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text()
    endpoints = bench.served.storage.eval_endpoints(bench.served.inference, bench.served.jobs)
    routes = [f"{route.method} {route.path}" for each in endpoints for route in each.routes()]
    assert len(routes) == 15
    assert [route for route in routes if f"`{route}`" not in page] == []


async def test_a_run_is_found_under_its_own_eval_alone(bench: Bench) -> None:
    eval_id, other = await bench.eval(), await bench.eval()
    run_id = await bench.start(eval_id, [row("a")])
    with pytest.raises(openai.NotFoundError):
        await bench.client.evals.runs.retrieve(run_id, eval_id=other)
    with pytest.raises(openai.NotFoundError):
        await bench.client.evals.runs.delete(run_id, eval_id=other)
