"""What a kind of grader returns. Names, times and failures are added around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cluster.evals.grade import Grade, ModelUsage

PASS: Final = 1.0
FAIL: Final = 0.0
DEFAULT_THRESHOLD: Final = 0.5
"""Least passing score of Python and multi graders that name none: the middle of [0, 1]."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passed`` follows from the grader's rule for ``score``."""

    score: float
    passed: bool
    label: str | None = None
    usage: tuple[ModelUsage, ...] = ()
    parts: Mapping[str, Grade] = field(default_factory=dict)
