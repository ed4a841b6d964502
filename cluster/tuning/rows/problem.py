"""What is wrong with a training file, for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cluster.errors import InvalidRequest

MAX_PROBLEMS_PER_ROW: Final = 5
MAX_PARAM_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class RowProblem:
    """``line`` counts from 1. ``param``: the field in dotted form (``messages.0.role``); empty where it is the whole line."""

    line: int
    param: str
    code: str
    reason: str

    @classmethod
    def of(cls, line: int, error: InvalidRequest) -> RowProblem:
        param = (error.param or "")[:MAX_PARAM_CHARS]
        return cls(line, param, error.code or "invalid_value", error.message[:MAX_REASON_CHARS])

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}"

    def to_json(self) -> dict[str, object]:
        return {"line": self.line, "param": self.param or None, "code": self.code, "reason": self.reason}


@dataclass(slots=True)
class FileProblems:
    """The first ``limit`` problems, and how many rows have some."""

    limit: int
    shown: list[RowProblem] = field(default_factory=list)
    bad_rows: int = 0
    unshown: int = 0

    def add(self, problems: Iterable[RowProblem]) -> None:
        """The problems of one row."""
        found = list(problems)
        if not found:
            return
        self.bad_rows += 1
        room = self.limit - len(self.shown)
        self.shown += found[:room]
        self.unshown += max(0, len(found) - room)

    @property
    def full(self) -> bool:
        return len(self.shown) >= self.limit

    def __bool__(self) -> bool:
        return self.bad_rows > 0
