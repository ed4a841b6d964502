"""One row through sampling and grading."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.evals.case import Case
from cluster.evals.definitions import Criterion
from cluster.evals.grade import Fault, Grade, GradeError, added_usage
from cluster.evals.grading import Grading
from cluster.evals.runs.data_source import RunSource
from cluster.evals.runs.outcome import Outcome
from cluster.evals.runs.rows import Row
from cluster.evals.runs.sample import Sample
from cluster.evals.runs.sampling import Sampler


@dataclass(frozen=True, slots=True)
class Execution:
    """Made once for a run; items go through it side by side."""

    source: RunSource
    criteria: Sequence[Criterion]
    sampler: Sampler
    grading: Grading

    async def run(self, row: Row) -> Outcome:
        """Whatever is wrong with the item is in its outcome. Cancelling the task ends what it started."""
        sample = Sample(fault=("invalid_item", row.fault)) if row.fault is not None else await self.sampler.sample(self.source, row)
        if sample.fault is not None:
            grades = [_ungraded(criterion, sample.fault[1]) for criterion in self.criteria]
        else:
            grades = await self._grades(Case(row.item, sample.namespace))
        usage = added_usage([*sample.usage, *(use for grade in grades for use in grade.usage)])
        return Outcome(row.place, row.item, sample.to_json(), grades, usage)

    async def _grades(self, case: Case) -> list[Grade]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.grading.grade(criterion, case)) for criterion in self.criteria]
        return [task.result() for task in tasks]


def _ungraded(criterion: Criterion, why: str) -> Grade:
    return Grade(criterion.name, criterion.type, 0.0, False, GradeError(Fault.OTHER, f"there is nothing to grade: {why}"))
