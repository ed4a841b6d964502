"""What came out of one item, and what a run's items amount to so far."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from cluster.evals.grade import Grade, ModelUsage, added_usage

_CANONICAL = msgspec.json.Encoder(order="deterministic")


class ItemStatus(StrEnum):
    """``error``: the item could not be sampled, or one of its graders failed."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    ERROR = "error"


class Outcome(msgspec.Struct, frozen=True):
    """``sample``: as it is shown. ``usage``: what the sample and the graders used up. One grade for each criterion."""

    place: int
    item: Mapping[str, Any]
    sample: Mapping[str, Any]
    grades: Sequence[Grade]
    usage: tuple[ModelUsage, ...]

    @property
    def status(self) -> ItemStatus:
        if any(grade.error is not None for grade in self.grades):
            return ItemStatus.ERROR
        return ItemStatus.PASS if all(grade.passed for grade in self.grades) else ItemStatus.FAIL


class CriterionTotals(msgspec.Struct, frozen=True):
    passed: int = 0
    failed: int = 0
    errored: int = 0

    def with_grade(self, grade: Grade) -> CriterionTotals:
        if grade.error is not None:
            return CriterionTotals(self.passed, self.failed, self.errored + 1)
        if grade.passed:
            return CriterionTotals(self.passed + 1, self.failed, self.errored)
        return CriterionTotals(self.passed, self.failed + 1, self.errored)


class Totals(msgspec.Struct, frozen=True):
    """Items by status; grades by criterion, in the eval's order; tokens by model."""

    passed: int = 0
    failed: int = 0
    errored: int = 0
    criteria: tuple[CriterionTotals, ...] = ()
    usage: tuple[ModelUsage, ...] = ()

    @property
    def done(self) -> int:
        return self.passed + self.failed + self.errored

    def with_outcome(self, outcome: Outcome) -> Totals:
        status = outcome.status
        known = self.criteria or (CriterionTotals(),) * len(outcome.grades)
        return Totals(
            self.passed + (status is ItemStatus.PASS),
            self.failed + (status is ItemStatus.FAIL),
            self.errored + (status is ItemStatus.ERROR),
            tuple(total.with_grade(grade) for total, grade in zip(known, outcome.grades, strict=True)),
            added_usage([*self.usage, *outcome.usage]),
        )

    def result_counts(self) -> dict[str, int]:
        """OpenAI's ``EvalRun.result_counts``: ``total`` are the items that were executed."""
        return {"total": self.done, "errored": self.errored, "failed": self.failed, "passed": self.passed}


def digest(item: Mapping[str, Any]) -> bytes:
    """SHA-256 of an item, whatever the order of its keys."""
    return hashlib.sha256(_CANONICAL.encode(item)).digest()
