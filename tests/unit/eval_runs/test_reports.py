"""Reports and comparisons over HTTP."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.unit.eval_runs.bench import EXACT, Bench, row
from tests.unit.eval_runs.fake_models import last_user


async def fetched(bench: Bench, path: str) -> Any:
    async with bench.served.http_client() as http:
        answer = await http.get(f"/v1/evals/{path}")
        assert answer.status_code == 200, answer.text
        return answer


async def test_a_summary_has_rates_with_intervals_that_leave_errors_out(bench: Bench) -> None:
    bench.models.answer = lambda body: "" if last_user(body) == "3" else last_user(body)
    criterion = {**EXACT, "input": "{{sample.output_json}}"}
    eval_id = await bench.eval([criterion])
    run_id = await bench.start(eval_id, [row("1"), row("2", "x"), row("3"), row("4")])
    await bench.work()
    report = (await fetched(bench, f"{eval_id}/runs/{run_id}/report")).json()
    assert report["result_counts"] == {"total": 4, "errored": 1, "failed": 1, "passed": 2}
    assert report["pass_rate"]["estimate"] == pytest.approx(2 / 3)
    assert 0 < report["pass_rate"]["low"] < 2 / 3 < report["pass_rate"]["high"] < 1
    assert (report["criteria"][0]["errored"], report["criteria"][0]["mean_score"]["estimate"]) == (1, pytest.approx(2 / 3))
    assert report["per_model_usage"][0]["invocation_count"] == 4


async def test_a_report_of_nothing_is_empty(bench: Bench) -> None:
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row("1")])
    report = (await fetched(bench, f"{eval_id}/runs/{run_id}/report")).json()
    assert (report["status"], report["pass_rate"], report["result_counts"]["total"]) == ("queued", None, 0)
    assert (await fetched(bench, f"{eval_id}/runs/{run_id}/report?format=jsonl")).content == b""


async def test_lines_are_the_output_items_all_of_them_in_order(bench: Bench) -> None:
    eval_id = await bench.eval()
    run_id = await bench.start(eval_id, [row(str(n)) for n in range(230)])
    await bench.work()
    answer = await fetched(bench, f"{eval_id}/runs/{run_id}/report?format=jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    items = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["datasource_item_id"] for each in items] == list(range(230))
    shown = await bench.client.evals.runs.output_items.retrieve(items[7]["id"], eval_id=eval_id, run_id=run_id)
    assert shown.to_dict() == items[7]


async def test_a_table_is_safe_to_open_in_a_spreadsheet(bench: Bench) -> None:
    twin = {**EXACT, "name": "exact", "operation": "ne"}
    eval_id = await bench.eval([EXACT, twin])
    run_id = await bench.start(eval_id, [row('=HYPERLINK("http://x")'), row('a "b", c\nd')])
    await bench.work()
    answer = await fetched(bench, f"{eval_id}/runs/{run_id}/report?format=csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{run_id}.csv"'
    first, second = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (first["item_id"], first["status"], first["exact (1).passed"], first["exact (2).passed"]) == (
        "0",
        "fail",
        "true",
        "false",
    )
    assert first["output_text"] == '\'=HYPERLINK("http://x")'
    assert second["output_text"] == 'a "b", c\nd'
    assert json.loads(second["item"])["question"] == 'a "b", c\nd'


async def test_two_runs_are_compared_item_by_item_whatever_their_order(bench: Bench) -> None:
    rows = [row(str(n)) for n in range(40)]
    bench.models.answer = lambda body: last_user(body) if int(last_user(body)) % 4 else "wrong"
    eval_id = await bench.eval()
    baseline = await bench.start(eval_id, rows)
    await bench.work()
    bench.models.answer = last_user
    better = await bench.start(eval_id, [*reversed(rows[1:]), row("new")])
    await bench.work()
    compared = (await fetched(bench, f"{eval_id}/runs/{better}/comparison?baseline={baseline}")).json()
    assert compared["items"] == {"paired": 39, "only_baseline": 1, "only_run": 1, "errored": 0}
    rate = compared["pass_rate"]
    assert (rate["items"], rate["before"], rate["after"]) == (39, pytest.approx(30 / 39), 1.0)
    assert (rate["gained"], rate["lost"], rate["differs"]) == (9, 0, True)
    assert 0 < rate["difference"]["low"] < rate["difference"]["estimate"] < rate["difference"]["high"]
    assert rate["p_value"] == pytest.approx(2 * 0.5**9)
    same = (await fetched(bench, f"{eval_id}/runs/{better}/comparison?baseline={better}")).json()
    assert (same["pass_rate"]["differs"], same["pass_rate"]["p_value"]) == (False, 1.0)


async def test_a_comparison_without_common_items_or_of_another_eval_is_refused(bench: Bench) -> None:
    eval_id, other = await bench.eval(), await bench.eval()
    first, second = await bench.start(eval_id, [row("a")]), await bench.start(eval_id, [row("b")])
    foreign = await bench.start(other, [row("a")])
    await bench.work()
    async with bench.served.http_client() as http:
        for query in (f"?baseline={second}", f"?baseline={foreign}", "?baseline=x", ""):
            answer = await http.get(f"/v1/evals/{eval_id}/runs/{first}/comparison{query}")
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "baseline")
