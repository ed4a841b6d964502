"""Evals on both databases: found by their owner alone, written once, and whole after a worker was killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import NotFound
from cluster.evals.eval_service import Evals, NewEval
from cluster.evals.runs.outcome import ItemStatus
from cluster.evals.runs.run_service import EvalRuns, NewRun
from cluster.jobs.model import JobState
from tests.integration.store import eval_worker
from tests.unit.eval_runs.bench import CUSTOM, EXACT, TEMPLATE, row
from tests.unit.storage.served import ACME, GLOBEX, Served

pytestmark = pytest.mark.integration

ITEMS = 40


def services(inside: Served) -> tuple[Evals, EvalRuns]:
    evals = Evals(inside.database, inside.inference, inside.evals)
    return evals, EvalRuns(inside.database, evals, inside.jobs, inside.storage.files, inside.inference, inside.evals)


def source(rows: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"type": "file_content", "content": rows}
    return {"type": "completions", "model": "demo", "input_messages": TEMPLATE, "source": content}


async def test_everything_is_found_by_its_owner_and_goes_with_its_eval(database_url: str, tmp_path: Path) -> None:
    async with eval_worker.served(database_url, tmp_path, 0.0).inside() as inside:
        evals, runs = services(inside)
        made = await evals.create(ACME, NewEval("e", {"a": "b"}, CUSTOM, [EXACT]))
        record = await runs.create(ACME, made.id, NewRun(None, {}, source([row("a"), row("b", "x")])))
        other = await runs.create(ACME, made.id, NewRun(None, {}, source([row("a"), row("b", "x")])))
        waiting = await runs.page(ACME, made.id, status="queued", after=None, limit=1, order="asc", report_url=str)
        assert (len(waiting.items), waiting.has_more) == (1, True)
        worker = eval_worker.worker_of(inside)
        while await worker.run_one():
            pass
        done = await runs.get(ACME, made.id, record.row.id)
        assert (done.state, done.totals.passed, done.totals.failed, done.item_count) == (JobState.SUCCEEDED, 1, 1, 2)
        failed = await runs.items(ACME, made.id, record.row.id, status=ItemStatus.FAIL, after=None, limit=5, order="desc")
        assert [item["datasource_item_id"] for item in failed.items] == [1]
        assert (await runs.compare(ACME, made.id, record.row.id, other.row.id)).paired == 2
        assert (await (await runs.report(ACME, made.id, record.row.id)).summary())["result_counts"]["total"] == 2
        for listed in ("created_at", "updated_at"):
            page = await evals.page(ACME, after=None, limit=5, order="desc", order_by=listed)  # type: ignore[arg-type]
            assert [each["id"] for each in page.items] == [made.id]
        with pytest.raises(NotFound):
            await runs.get(GLOBEX, made.id, record.row.id)
        with pytest.raises(NotFound):
            await runs.delete_eval(GLOBEX, made.id)
        await runs.delete(ACME, made.id, other.row.id)
        await runs.delete_eval(ACME, made.id)
        with pytest.raises(NotFound):
            await evals.get(ACME, made.id)
        with pytest.raises(NotFound):
            await runs.get(ACME, made.id, record.row.id)


async def test_a_run_whose_worker_is_killed_is_finished_by_another_with_each_item_once(database_url: str, tmp_path: Path) -> None:
    async with eval_worker.served(database_url, tmp_path, 0.0).inside() as inside:
        evals, runs = services(inside)
        made = await evals.create(ACME, NewEval(None, {}, CUSTOM, [EXACT]))
        record = await runs.create(ACME, made.id, NewRun(None, {}, source([row(str(n)) for n in range(ITEMS)])))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", eval_worker.__name__, database_url, str(tmp_path)), cwd=Path(__file__).parents[3]
        )
        try:
            while (await runs.get(ACME, made.id, record.row.id)).totals.done < 5:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        finally:
            process.kill()
            await process.wait()
        killed = (await runs.get(ACME, made.id, record.row.id)).totals.done
        assert killed < ITEMS
        async with asyncio.timeout(60):
            worker = eval_worker.worker_of(inside)
            while not await worker.run_one():  # noqa: ASYNC110 - the lease runs out
                await asyncio.sleep(0.1)
        done = await runs.get(ACME, made.id, record.row.id)
        assert (done.state, done.totals.passed, done.totals.errored) == (JobState.SUCCEEDED, ITEMS, 0)
        assert done.totals.usage[0].invocation_count == ITEMS
        items = await runs.items(ACME, made.id, record.row.id, status=None, after=None, limit=100, order="asc")
        assert [item["datasource_item_id"] for item in items.items] == list(range(ITEMS))
        # What was written before is not asked again.
        assert len(inside.relay.requests) == ITEMS - killed
