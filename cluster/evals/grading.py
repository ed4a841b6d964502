"""Run any grader on any item. A grader that fails gives a grade that says so; it never ends a run."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster.evals.case import Case
from cluster.evals.definitions import Grader, LabelModel, Multi, Python, ScoreModel, StringCheck, TextSimilarity
from cluster.evals.grade import Fault, Grade, GradeError, GradingFailed
from cluster.evals.graders import label_model, multi, python_code, score_model, string_check, text_similarity
from cluster.evals.graders.verdict import FAIL, Verdict
from cluster.evals.judging import Judge
from cluster.evals.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Grading:
    """``judge``: for graders that ask a model. ``sandbox``: for Python graders; None where this host has none, ``why`` says so."""

    judge: Judge
    sandbox: Sandbox | None
    why: str = "Python graders are switched off."

    async def grade(self, grader: Grader, case: Case) -> Grade:
        """Grade one item. Cancelling the task ends what it started (questions, sandboxes)."""
        started = time.perf_counter()
        error: GradeError | None = None
        try:
            if isinstance(grader, Multi):
                verdict, error = await multi.grade(grader, lambda part: self.grade(part, case))
            else:
                verdict = await self._single(grader, case)
        except GradingFailed as failure:
            verdict = Verdict(FAIL, False, usage=failure.usage)
            error = GradeError(failure.fault, failure.message, failure.kind)
        return Grade(
            name=grader.name,
            type=grader.type,
            score=verdict.score,
            passed=verdict.passed,
            error=error,
            label=verdict.label,
            usage=verdict.usage,
            parts=dict(verdict.parts),
            duration_s=time.perf_counter() - started,
        )

    async def _single(self, grader: StringCheck | TextSimilarity | LabelModel | ScoreModel | Python, case: Case) -> Verdict:
        match grader:
            case StringCheck():
                return string_check.grade(grader, case)
            case TextSimilarity():
                return await text_similarity.grade(grader, case)
            case LabelModel():
                return await label_model.grade(grader, case, self.judge)
            case ScoreModel():
                return await score_model.grade(grader, case, self.judge)
            case Python():
                if self.sandbox is None:
                    raise GradingFailed(Fault.PYTHON_SERVER, self.why, kind="unavailable")
                return await python_code.grade(grader, case, self.sandbox)
