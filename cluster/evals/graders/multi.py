"""``multi``: a formula over other graders' scores. One that fails fails the whole: a made-up score would not be told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cluster.evals.definitions import Criterion, Multi
from cluster.evals.formula import Formula, FormulaError
from cluster.evals.grade import Fault, Grade, GradeError, added_usage
from cluster.evals.graders.verdict import DEFAULT_THRESHOLD, FAIL, Verdict

GradeOne = Callable[[Criterion], Awaitable[Grade]]


async def grade(definition: Multi, grade_one: GradeOne) -> tuple[Verdict, GradeError | None]:
    """The verdict, and why there is none: its parts are worth showing even then."""
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_awaited(grade_one(part))) for name, part in definition.parts.items()}
    parts = {name: task.result() for name, task in tasks.items()}
    usage = added_usage(use for part in parts.values() for use in part.usage)
    for name, part in parts.items():
        if part.error is not None:
            failed = GradeError(part.error.code, f"{name}: {part.error.message}", part.error.kind)
            return Verdict(FAIL, False, usage=usage, parts=parts), failed
    try:
        score = Formula.parse(definition.calculate_output).evaluate({name: part.score for name, part in parts.items()})
    except FormulaError as error:
        return Verdict(FAIL, False, usage=usage, parts=parts), GradeError(Fault.FORMULA_PARSE, f"calculate_output: {error}")
    return Verdict(score, score >= DEFAULT_THRESHOLD, usage=usage, parts=parts), None


async def _awaited(grading: Awaitable[Grade]) -> Grade:
    return await grading
