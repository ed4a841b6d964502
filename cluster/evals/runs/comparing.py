"""Two runs of an eval over the same items: does one pass more, and is that more than chance?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cluster.errors import InvalidRequest
from cluster.evals.grade import Grade
from cluster.evals.runs.run_table import RunRecord
from cluster.evals.runs.shown import grades_of
from cluster.evals.statistics import Comparison, compare_rates, compare_scores
from cluster.evals.statistics.effort import affordable_resamples

Graded = tuple[int, bytes, bytes]
"""Place, digest of the item, grades as JSON."""


@dataclass(frozen=True, slots=True)
class CriterionComparison:
    """``None``: no pair of items is without an error. ``errored``: pairs that are left out for one."""

    name: str
    errored: int
    pass_rate: Comparison | None
    score: Comparison | None


@dataclass(frozen=True, slots=True)
class RunComparison:
    """``paired``: items of both runs. ``errored``: pairs left out of ``pass_rate``, as an item of one was not graded."""

    baseline: RunRecord
    run: RunRecord
    paired: int
    only_baseline: int
    only_run: int
    errored: int
    pass_rate: Comparison | None
    criteria: Sequence[CriterionComparison]

    def to_json(self) -> dict[str, Any]:
        return {
            "object": "eval.run.comparison",
            "eval_id": self.run.row.eval_id,
            "baseline": _run(self.baseline),
            "run": _run(self.run),
            "items": {
                "paired": self.paired,
                "only_baseline": self.only_baseline,
                "only_run": self.only_run,
                "errored": self.errored,
            },
            "pass_rate": _shown(self.pass_rate),
            "criteria": [
                {
                    "testing_criteria": each.name,
                    "errored": each.errored,
                    "pass_rate": _shown(each.pass_rate),
                    "score": _shown(each.score),
                }
                for each in self.criteria
            ],
        }


def compared(
    baseline: RunRecord, run: RunRecord, criteria: Sequence[str], before: Sequence[Graded], after: Sequence[Graded]
) -> RunComparison:
    """Pairs items by their content: sources may be in another order. An item that occurs twice is paired in order.

    Takes up to some seconds of processor time. Raises :class:`InvalidRequest` when the runs have no item in common.
    """
    pairs = _paired(before, after)
    if not pairs:
        raise InvalidRequest(
            "Invalid 'baseline': the two runs have no item in common that is done in both.", param="baseline", code="invalid_value"
        )
    whole = [(old, new) for old, new in pairs if not any(grade.error for grade in (*old, *new))]
    resamples = affordable_resamples(len(pairs), 2 * len(criteria) + 1)
    passed = [(all(g.passed for g in old), all(g.passed for g in new)) for old, new in whole]
    return RunComparison(
        baseline=baseline,
        run=run,
        paired=len(pairs),
        only_baseline=len(before) - len(pairs),
        only_run=len(after) - len(pairs),
        errored=len(pairs) - len(whole),
        pass_rate=_rates(passed, resamples),
        criteria=[
            _criterion(name, [(old[index], new[index]) for old, new in pairs], resamples) for index, name in enumerate(criteria)
        ],
    )


def _paired(before: Sequence[Graded], after: Sequence[Graded]) -> list[tuple[list[Grade], list[Grade]]]:
    waiting: dict[bytes, list[bytes]] = defaultdict(list)
    for _, digest, grades in reversed(before):
        waiting[digest].append(grades)
    return [(grades_of(waiting[digest].pop()), grades_of(grades)) for _, digest, grades in after if waiting.get(digest)]


def _criterion(name: str, pairs: Sequence[tuple[Grade, Grade]], resamples: int) -> CriterionComparison:
    graded = [(old, new) for old, new in pairs if old.error is None and new.error is None]
    scores = [(old.score, new.score) for old, new in graded]
    return CriterionComparison(
        name,
        errored=len(pairs) - len(graded),
        pass_rate=_rates([(old.passed, new.passed) for old, new in graded], resamples),
        score=compare_scores([old for old, _ in scores], [new for _, new in scores], resamples=resamples) if scores else None,
    )


def _rates(pairs: Sequence[tuple[bool, bool]], resamples: int) -> Comparison | None:
    if not pairs:
        return None
    return compare_rates([old for old, _ in pairs], [new for _, new in pairs], resamples=resamples)


def _run(record: RunRecord) -> dict[str, str]:
    return {"id": record.row.id, "name": record.row.name, "model": record.row.model}


def _shown(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    shown: dict[str, Any] = msgspec.to_builtins(comparison)
    return {**shown, "differs": comparison.differs}
