"""What a check says: how it stands with one thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol


class Outcome(StrEnum):
    """``PROBLEM``: the cluster won't start, or will fail requests. ``WARNING``: it runs, but something is lost or near its end.

    ``UNKNOWN``: this check can't tell here; it is no verdict of either kind.
    """

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check``: name of the check. ``subject``: what was looked at. ``next_step``: there whenever something is to be done."""

    check: str
    subject: str
    outcome: Outcome
    message: str
    next_step: str | None = None

    def to_json(self) -> dict[str, str | None]:
        return {
            "check": self.check,
            "subject": self.subject,
            "outcome": self.outcome.value,
            "message": self.message,
            "next_step": self.next_step,
        }


class Check(Protocol):
    """Looks, and changes nothing. One that can't look says so by a finding, not by an exception."""

    name: ClassVar[str]

    async def findings(self) -> Sequence[Finding]: ...


class Reporter:
    """Findings of one check, without its name in every line."""

    name: ClassVar[str]

    def ok(self, subject: str, message: str) -> Finding:
        return Finding(self.name, subject, Outcome.OK, message)

    def warning(self, subject: str, message: str, next_step: str) -> Finding:
        return Finding(self.name, subject, Outcome.WARNING, message, next_step)

    def problem(self, subject: str, message: str, next_step: str) -> Finding:
        return Finding(self.name, subject, Outcome.PROBLEM, message, next_step)

    def unknown(self, subject: str, message: str, next_step: str | None = None) -> Finding:
        return Finding(self.name, subject, Outcome.UNKNOWN, message, next_step)


def gib(size_bytes: float) -> str:
    """``12.3 GiB``."""
    return f"{size_bytes / (1 << 30):.1f} GiB"
