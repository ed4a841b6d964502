"""The sums behind the tables: medians over rounds, quantiles of samples, ratios to the best peer."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

Better = Literal["lower", "higher"]


def median(values: Iterable[float | None]) -> float | None:
    """Median of what was measured; ``None`` where nothing was."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def quantile(samples: Sequence[float], fraction: float) -> float:
    """The smallest sample that at least ``fraction`` (0 < fraction ≤ 1) of all samples do not exceed (nearest rank)."""
    if not samples:
        raise ValueError("a quantile needs samples")
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction must be over 0 and at most 1, not {fraction}")
    return sorted(samples)[math.ceil(fraction * len(samples)) - 1]


def best(values: Mapping[str, float | None], better: Better) -> tuple[str, float] | None:
    """The best of what was measured, with its name."""
    known = [(value, name) for name, value in values.items() if value is not None]
    if not known:
        return None
    value, name = min(known) if better == "lower" else max(known)
    return name, value


def ratio(value: float | None, to: float | None) -> float | None:
    """``value / to``; ``None`` where one is missing or ``to`` is not positive (a difference can be 0 or less)."""
    if value is None or to is None or to <= 0.0:
        return None
    return value / to


def per_token_us(cpu_s: float, tokens: int) -> float | None:
    """Microseconds of processor time a token."""
    return cpu_s / tokens * 1e6 if tokens > 0 else None


def per_cpu_second(count: int, cpu_s: float) -> float | None:
    """How many a whole core would do in a second; ``None`` where the time was too short to see."""
    return count / cpu_s if cpu_s > 0.0 else None
