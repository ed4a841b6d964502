"""Runs go some time after their end, with what was asked and answered in them; the eval and runs that go on stay."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import func, select

from cluster.config.settings.evals import EvalsSettings
from cluster.evals.runs import purge
from cluster.evals.runs.purge import RunPurger
from cluster.store.eval_tables import EvalOutputItemRow, EvalRunTotalsRow
from tests.unit.eval_runs.bench import Bench

HOUR_S = 3600.0


def row(answer: str) -> dict[str, object]:
    return {"item": {"question": "q", "answer": answer}}


async def purged(bench: Bench, after_s: float, retention_s: float = 24 * HOUR_S) -> int:
    settings = EvalsSettings(run_retention_s=retention_s)
    return await RunPurger(bench.served.database, settings, lambda: time.time() + after_s).purge()


async def rows(bench: Bench) -> tuple[int, int]:
    """Items and totals that there are."""
    async with bench.served.database.session() as session:
        items = (await session.execute(select(func.count()).select_from(EvalOutputItemRow))).scalar_one()
        return items, (await session.execute(select(func.count()).select_from(EvalRunTotalsRow))).scalar_one()


async def test_an_old_run_goes_with_its_items_and_the_eval_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH_RUNS", 1)
    monkeypatch.setattr(purge, "BATCH_ITEMS", 2)
    eval_id = await bench.eval()
    for _ in range(2):
        await bench.start(eval_id, [row("a"), row("b"), row("c")])
        await bench.work()
    assert await rows(bench) == (6, 2)
    assert await purged(bench, 23 * HOUR_S) == 0
    assert await rows(bench) == (6, 2)
    assert await purged(bench, 25 * HOUR_S) == 2
    assert await rows(bench) == (0, 0)
    assert [run async for run in bench.client.evals.runs.list(eval_id)] == []
    assert (await bench.client.evals.retrieve(eval_id)).id == eval_id
    assert await purged(bench, 25 * HOUR_S) == 0


async def test_a_run_that_has_not_ended_is_never_too_old(bench: Bench) -> None:
    eval_id = await bench.eval()
    waiting = await bench.start(eval_id, [row("a")])
    assert await purged(bench, 1000 * HOUR_S) == 0
    await bench.work()
    assert (await bench.client.evals.runs.retrieve(waiting, eval_id=eval_id)).status == "completed"
    assert await rows(bench) == (1, 1)
