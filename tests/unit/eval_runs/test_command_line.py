"""``ossature evals`` against a gateway's real HTTP edge, with a worker beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cluster.cli import eval_running
from cluster.cli.app import app
from cluster.cli.output import ExitCode
from tests.unit.eval_runs.bench import CUSTOM, EXACT, Bench, row
from tests.unit.eval_runs.fake_models import last_user


async def run(bench: Bench, *arguments: str, code: int = 0) -> Result:
    """A command in a thread, beside the gateway's event loop."""
    env = {"OSSATURE_BASE_URL": bench.served.url, "OSSATURE_API_KEY": "sk-acme"}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["evals", *arguments], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


async def created(bench: Bench, tmp_path: Path) -> str:
    definition = tmp_path / "eval.json"
    definition.write_text(json.dumps({"data_source_config": CUSTOM, "testing_criteria": [EXACT], "name": "triage"}))
    return (await run(bench, "create", str(definition))).stdout.strip()


def items_file(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.mark.slow
async def test_an_eval_is_created_run_reported_and_compared(bench: Bench, tmp_path: Path) -> None:
    eval_id = await created(bench, tmp_path)
    assert "triage" in (await run(bench, "list")).stdout
    items = items_file(tmp_path, [row(str(n)) for n in range(8)])
    asking = ("--model", "demo", "--file", items, "--prompt", "{{item.question}}")
    bench.models.answer = lambda body: "wrong" if int(last_user(body)) < 6 else last_user(body)
    async with bench.working():
        first = await run(bench, "run", eval_id, *asking, "--name", "before")
        bench.models.answer = last_user
        second = await run(bench, "run", eval_id, *asking, "--temperature", "0", "--seed", "1")
    before, after = first.stdout.strip(), second.stdout.strip()
    assert "8 items: 2 passed, 6 failed, 0 with errors" in first.stderr
    assert "before of demo: completed" in first.stderr
    assert (bench.models.asked[-1]["temperature"], bench.models.asked[-1]["seed"]) == (0, 1)
    assert before in (await run(bench, "runs", eval_id)).stdout
    shown = (await run(bench, "report", eval_id, after)).stdout
    assert "pass rate 1.000 (0.676 to 1.000)" in shown
    assert "demo: 8 answers, 16000 prompt tokens" in shown
    summary = json.loads((await run(bench, "report", eval_id, after, "--json")).stdout)
    assert summary["result_counts"]["passed"] == 8
    await run(bench, "report", eval_id, after, "--json", "--format", "csv", code=ExitCode.USAGE)
    target = tmp_path / "run.csv"
    await run(bench, "report", eval_id, after, "--format", "csv", "-o", str(target))
    assert len(target.read_text().splitlines()) == 9
    compared = await run(bench, "compare", eval_id, before, after)
    line = next(line for line in compared.stdout.splitlines() if line.startswith("all criteria"))
    assert line.split()[2:6] == ["8", "0.250", "1.000", "+0.750"]
    assert "8 items in both runs" in compared.stderr
    await run(bench, "delete", eval_id)
    await run(bench, "runs", eval_id, code=ExitCode.NOT_FOUND)


async def test_a_run_that_fails_ends_with_its_reason(bench: Bench, tmp_path: Path) -> None:
    eval_id = await created(bench, tmp_path)
    items = items_file(tmp_path, [{"item": {}}])
    async with bench.working():
        failed = await run(bench, "run", eval_id, "--file", items, code=ExitCode.FAILED)
    assert "Line 1: 'item' does not fit" in failed.stderr


async def test_a_run_need_not_be_waited_for_and_can_be_cancelled(bench: Bench, tmp_path: Path) -> None:
    eval_id = await created(bench, tmp_path)
    started = await run(bench, "run", eval_id, "--file", items_file(tmp_path, [row("a")]), "--no-wait")
    cancelled = await run(bench, "cancel", eval_id, started.stdout.strip())
    assert cancelled.stdout.endswith("is canceled.\n")


async def test_options_that_do_not_go_together_are_refused_before_anything_is_sent(bench: Bench, tmp_path: Path) -> None:
    eval_id = await created(bench, tmp_path)
    items = items_file(tmp_path, [row("a")])
    for options in (
        (),
        ("--file", items, "--stored"),
        ("--file", items, "--model", "demo"),
        ("--file", items, "--prompt", "x"),
        ("--file", items, "--limit", "3"),
        ("--file", items, "--model", "demo", "--prompt", "x", "--item-reference", "item.x"),
        ("--stored", "--metadata", "x"),
    ):
        await run(bench, "run", eval_id, *options, code=ExitCode.USAGE)
    assert (await bench.client.files.list()).data == []


async def test_stored_completions_are_evaluated_by_a_filter(bench: Bench) -> None:
    eval_id = await bench.eval([{**EXACT, "reference": "{{item.output[0].content}}"}], {"type": "logs"})
    await bench.client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "x"}], store=True, metadata={"task": "a"}
    )
    async with bench.working():
        done = await run(bench, "run", eval_id, "--stored", "--metadata", "task=a", "--model", "other", "--json")
    ended = json.loads(done.stdout)
    assert (ended["status"], ended["model"], ended["result_counts"]["passed"]) == ("completed", "other", 1)


def test_a_run_is_followed_until_it_is_over() -> None:
    states = [{"status": status, "id": "r", "name": "n"} for status in ("queued", "in_progress", "completed")]
    slept: list[float] = []

    class Runs(eval_running.EvalsClient):
        def run(self, run_id: str) -> dict[str, Any]:
            return states.pop(0)

    ended = eval_running.follow(Runs(None, "p"), states.pop(0), slept.append)  # type: ignore[arg-type]
    assert (ended["status"], slept) == ("completed", [eval_running.POLL_S] * 2)
