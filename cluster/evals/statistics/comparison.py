"""Two runs over the same items: is one better? Items are paired, which tells apart what unpaired intervals would blur."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from cluster.evals.statistics.intervals import CONFIDENCE, RESAMPLES, SEED, Interval, mean_interval


class Comparison(msgspec.Struct, frozen=True):
    """``difference``: after minus before, per item. ``gained``, ``lost``: items that got better or worse.

    ``p_value``: how likely a split of gained and lost at least this uneven is if neither run is better (McNemar's exact test for
    rates, the sign test for scores; both are the same binomial).
    """

    items: int
    before: float
    after: float
    difference: Interval
    gained: int
    lost: int
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        return not self.difference.low <= 0.0 <= self.difference.high


def compare_rates(
    before: Sequence[bool],
    after: Sequence[bool],
    *,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare pass rates; ``before[i]`` and ``after[i]`` are the same item's.

    Raises:
        ValueError: there are no items, or not as many on both sides.
    """
    return compare_scores(
        [float(passed) for passed in before],
        [float(passed) for passed in after],
        confidence=confidence,
        seed=seed,
        resamples=resamples,
    )


def compare_scores(
    before: Sequence[float],
    after: Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare mean scores by a paired bootstrap. Raises ``ValueError`` as :func:`compare_rates` does."""
    if len(before) != len(after) or not before:
        raise ValueError(f"{len(before)} and {len(after)} grades can't be paired")
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(
        items=len(before),
        before=float(np.mean(before)),
        after=float(np.mean(after)),
        difference=mean_interval(differences.tolist(), confidence=confidence, seed=seed, resamples=resamples),
        gained=gained,
        lost=lost,
        p_value=sign_test(gained, lost),
    )


def sign_test(gained: int, lost: int) -> float:
    """Two-sided exact binomial test of ``gained`` against ``lost`` at even odds (McNemar 1947, exact form)."""
    trials = gained + lost
    if trials == 0:
        return 1.0
    # In logarithms: binomial coefficients of thousands of trials are no doubles.
    whole = math.lgamma(trials + 1) - trials * math.log(2)
    tail = math.fsum(math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1)) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail)
