"""What is said of a rule, once, for Prometheus, for the chart and for the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """``critical``: somebody is to look now, at any hour. ``warning``: within the day."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Recording:
    """``name``: level, metric, operations, as Prometheus' conventions have it. ``labels``: those that the outcome carries."""

    name: str
    expression: str
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Alert:
    """``held``: for how long the expression must have had an outcome (``for``). ``board``: uid of the dashboard to look at.

    ``summary`` and ``description`` are Prometheus' templates: ``{{ $labels.model }}``, ``{{ $value | humanizePercentage }}``.
    """

    name: str
    expression: str
    held: str
    severity: Severity
    summary: str
    description: str
    board: str


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in order. ``interval``: empty for Prometheus' own."""

    name: str
    rules: tuple[Recording, ...] | tuple[Alert, ...]
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """Of the time to first token: ``share`` of requests within ``ttft_s`` seconds, which is a bound of the histogram's buckets.

    Both are text, so that the chart can have a release's own values there.
    """

    ttft_s: str = "5.0"
    share: str = "0.95"


@dataclass(frozen=True, slots=True)
class Values:
    """What a deployment decides: the objective, and where the runbooks are (without the alert's name)."""

    objective: Objective = field(default_factory=Objective)
    runbooks: str = "docs/operations.md"
