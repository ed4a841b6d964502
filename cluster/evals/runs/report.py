"""A run's report: a summary with intervals, or every item as JSON lines or as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cluster.evals.eval_service import Eval
from cluster.evals.runs.run_table import RunRecord, RunTable
from cluster.evals.runs.shown import grades_of, item_json, status_of
from cluster.evals.statistics import CriterionSummary, Interval, summarize
from cluster.evals.statistics.effort import affordable_resamples
from cluster.store.eval_tables import EvalOutputItemRow

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these is a formula to spreadsheets."""

_SAMPLE_COLUMNS: Final = ("output_text", "finish_reason", "model", "prompt_tokens", "completion_tokens", "error")


@dataclass(frozen=True, slots=True)
class Report:
    """Of the items that are written; a run that goes on has more later."""

    evaluated: Eval
    record: RunRecord
    table: RunTable

    async def summary(self) -> dict[str, Any]:
        """Counts, pass rates (Wilson's interval, without items in error) and mean scores (bootstrap), overall and by criterion."""
        rows = await self.table.grades(self.record.row.id)
        return await asyncio.to_thread(self._summary, [grades for _, _, grades in rows])

    def _summary(self, rows: Iterable[bytes]) -> dict[str, Any]:
        criteria = [criterion.name for criterion in self.evaluated.criteria]
        items = [grades_of(grades) for grades in rows]
        summary = summarize(items, criteria, resamples=affordable_resamples(len(items), len(criteria)))
        row = self.record.row
        return {
            "object": "eval.run.report",
            "eval_id": row.eval_id,
            "run_id": row.id,
            "status": status_of(self.record),
            "model": row.model,
            "name": row.name,
            "result_counts": summary.result_counts(),
            "pass_rate": interval_json(summary.pass_rate),
            "criteria": [_criterion(each) for each in summary.criteria],
            "per_model_usage": [usage.to_json() for usage in self.record.totals.usage],
        }

    async def json_lines(self) -> AsyncGenerator[bytes, None]:
        """The contract's output items, one a line."""
        async with aclosing(self.table.scan(self.record.row.id)) as pages:
            async for rows in pages:
                yield b"".join(msgspec.json.encode(item_json(row, self.record.row.eval_id)) + b"\n" for row in rows)

    async def csv_lines(self) -> AsyncGenerator[bytes, None]:
        """A head, and a line for each item. Cells that spreadsheets would take for formulas begin with an apostrophe."""
        names = _distinct([criterion.name for criterion in self.evaluated.criteria])
        columns = [f"{name}.{part}" for name in names for part in ("passed", "score", "error")]
        yield _csv([["item_id", "status", *columns, *_SAMPLE_COLUMNS, "item"]])
        async with aclosing(self.table.scan(self.record.row.id)) as pages:
            async for rows in pages:
                yield _csv(map(_cells, rows))


def interval_json(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else msgspec.to_builtins(interval)


def _criterion(summary: CriterionSummary) -> dict[str, Any]:
    return {
        "testing_criteria": summary.criterion,
        "passed": summary.passed,
        "failed": summary.failed,
        "errored": summary.errored,
        "pass_rate": interval_json(summary.pass_rate),
        "mean_score": interval_json(summary.mean_score),
    }


def _distinct(names: list[str]) -> list[str]:
    """Criteria may have the same name; columns may not."""
    return [name if names.count(name) == 1 else f"{name} ({index})" for index, name in enumerate(names, 1)]


def _cells(row: EvalOutputItemRow) -> list[object]:
    sample = msgspec.json.decode(row.sample)
    output = sample["output"][0] if sample["output"] else {}
    text = output.get("content") or (msgspec.json.encode(output["tool_calls"]).decode() if output.get("tool_calls") else "")
    cells: list[object] = [row.place, row.status]
    for grade in grades_of(row.grades):
        cells += [str(grade.passed).lower(), grade.score, grade.error.message if grade.error is not None else ""]
    usage = sample["usage"]
    cells += [text, sample["finish_reason"], sample["model"], usage["prompt_tokens"], usage["completion_tokens"]]
    return [*cells, sample["error"]["message"], row.item.decode()]


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_safe(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
