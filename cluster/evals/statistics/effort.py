"""How often a bootstrap can afford to draw."""

from __future__ import annotations

from typing import Final

from cluster.evals.statistics.intervals import RESAMPLES

DRAWS: Final = 200_000_000
"""Values that all bootstraps of one answer draw together, at most: some seconds of processor time."""

LEAST_RESAMPLES: Final = 200


def affordable_resamples(items: int, intervals: int) -> int:
    """For so many intervals over so many items. Fewer resamples make bounds coarser, not wrong."""
    return max(LEAST_RESAMPLES, min(RESAMPLES, DRAWS // max(1, items * intervals)))
