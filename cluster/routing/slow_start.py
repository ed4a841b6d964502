"""Slow start: a replica that has just come up gets its share of prefixes bit by bit.

Its caches are empty and its kernels cold; handed its full share at once it would make a burst of misses out of what were hits.
"""

from __future__ import annotations

START_WEIGHT = 0.2


def ramp_weight(age_s: float, slow_start_s: float) -> float:
    """Weight of a replica first seen ``age_s`` ago: linear from 0.2 to 1 over ``slow_start_s``."""
    if age_s >= slow_start_s:
        return 1.0
    return START_WEIGHT + (1.0 - START_WEIGHT) * max(age_s, 0.0) / slow_start_s
