"""A run's counts, overall and by criterion, and what its graders used up."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cluster.evals.grade import Grade, ModelUsage, added_usage
from cluster.evals.statistics.intervals import RESAMPLES, SEED, Interval, mean_interval, wilson


class CriterionSummary(msgspec.Struct, frozen=True):
    """One criterion over all items. ``errored`` ones have no score and count in neither rate nor mean (None: no item is left)."""

    criterion: str
    passed: int
    failed: int
    errored: int
    pass_rate: Interval | None
    mean_score: Interval | None

    def to_json(self) -> dict[str, object]:
        """An entry of OpenAI's ``per_testing_criteria_results``, which knows no errors: they count as failed there."""
        return {"testing_criteria": self.criterion, "passed": self.passed, "failed": self.failed + self.errored}


class RunSummary(msgspec.Struct, frozen=True):
    """An item passed if all its grades did, errored if one has an error, else failed. The rate leaves out errored ones."""

    total: int
    passed: int
    failed: int
    errored: int
    pass_rate: Interval | None
    criteria: tuple[CriterionSummary, ...]
    usage: tuple[ModelUsage, ...]

    def result_counts(self) -> dict[str, int]:
        """OpenAI's ``EvalRun.result_counts``."""
        return {"total": self.total, "errored": self.errored, "failed": self.failed, "passed": self.passed}


def summarize(
    items: Sequence[Sequence[Grade]], criteria: Sequence[str], *, seed: int = SEED, resamples: int = RESAMPLES
) -> RunSummary:
    """``items[i][c]`` is item i's grade by ``criteria[c]``. Deterministic by ``seed``.

    Raises:
        ValueError: an item has not one grade for each criterion.
    """
    for index, grades in enumerate(items):
        if len(grades) != len(criteria):
            raise ValueError(f"item {index} has {len(grades)} grades for {len(criteria)} criteria")
    errored = sum(any(grade.error is not None for grade in grades) for grades in items)
    passed = sum(all(grade.passed for grade in grades) for grades in items)
    return RunSummary(
        total=len(items),
        passed=passed,
        failed=len(items) - passed - errored,
        errored=errored,
        pass_rate=_rate(passed, len(items) - errored),
        criteria=tuple(
            _criterion(name, [grades[index] for grades in items], seed, resamples) for index, name in enumerate(criteria)
        ),
        usage=added_usage(usage for grades in items for grade in grades for usage in grade.usage),
    )


def _criterion(name: str, grades: Sequence[Grade], seed: int, resamples: int) -> CriterionSummary:
    graded = [grade for grade in grades if grade.error is None]
    passed = sum(grade.passed for grade in graded)
    scores = [grade.score for grade in graded]
    return CriterionSummary(
        criterion=name,
        passed=passed,
        failed=len(graded) - passed,
        errored=len(grades) - len(graded),
        pass_rate=_rate(passed, len(graded)),
        mean_score=mean_interval(scores, seed=seed, resamples=resamples) if scores else None,
    )


def _rate(passed: int, trials: int) -> Interval | None:
    return wilson(passed, trials) if trials else None
