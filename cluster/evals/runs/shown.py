"""Runs and output items as the contract shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cluster.evals.grade import Grade
from cluster.evals.runs.run_table import RunRecord
from cluster.jobs.model import JobState
from cluster.store.eval_tables import EvalOutputItemRow

STATUSES: dict[str, tuple[JobState, ...]] = {
    "queued": (JobState.QUEUED, JobState.PAUSED),
    "in_progress": (JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING),
    "completed": (JobState.SUCCEEDED,),
    "canceled": (JobState.CANCELLED,),
    "failed": (JobState.FAILED,),
}
"""A run's status by its job's state; in the contract's order."""

_STATUS_OF = {state: status for status, states in STATUSES.items() for state in states}


def status_of(record: RunRecord) -> str:
    return _STATUS_OF[record.state]


def run_json(record: RunRecord, criteria: Sequence[str], report_url: str) -> dict[str, Any]:
    """OpenAI's ``EvalRun``, and ``progress``: items that are done, of how many (``None``: not known yet).

    The contract has no run without an error: one that has not failed shows empty texts.
    """
    row, totals = record.row, record.totals
    code, message = record.error or ("", "")
    return {
        "object": "eval.run",
        "id": row.id,
        "eval_id": row.eval_id,
        "status": status_of(record),
        "model": row.model,
        "name": row.name,
        "created_at": row.created_us // 1_000_000,
        "report_url": report_url,
        "result_counts": totals.result_counts(),
        "per_model_usage": [usage.to_json() for usage in totals.usage],
        "per_testing_criteria_results": [
            # Errors are failures here: the contract has no third number.
            {"testing_criteria": name, "passed": total.passed, "failed": total.failed + total.errored}
            for name, total in zip(criteria, totals.criteria, strict=False)
        ],
        "data_source": msgspec.Raw(row.data_source),
        "metadata": msgspec.Raw(row.metadata_json),
        "error": {"code": code, "message": message},
        "progress": {"done": totals.done, "total": record.item_count},
    }


def item_json(row: EvalOutputItemRow, eval_id: str) -> dict[str, Any]:
    """OpenAI's ``EvalRunOutputItem``."""
    return {
        "object": "eval.run.output_item",
        "id": row.id,
        "run_id": row.run_id,
        "eval_id": eval_id,
        "created_at": row.created_at,
        "status": row.status,
        "datasource_item_id": row.place,
        "datasource_item": msgspec.Raw(row.item),
        "results": [grade.to_result() for grade in grades_of(row.grades)],
        "sample": msgspec.Raw(row.sample),
    }


def grades_of(data: bytes) -> list[Grade]:
    return msgspec.json.decode(data, type=list[Grade])
