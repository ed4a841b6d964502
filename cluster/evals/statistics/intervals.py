"""Confidence intervals of rates (Wilson) and of means (bootstrap)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
SEED: Final = 0
"""Of every bootstrap that names none: the same grades give the same interval."""

_CHUNK_VALUES: Final = 1 << 21
"""Drawn at a time, so that memory stays at some tens of MB whatever the number of items."""


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its bounds; ``confidence`` is the level that the bounds are for."""

    estimate: float
    low: float
    high: float
    confidence: float = CONFIDENCE


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a rate (Wilson 1927): within [0, 1], and sound for few trials and for rates of 0 and 1.

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials have no rate")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # At the ends the bound is exact; rounding must not leave it beside the estimate.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(rate, low, high, confidence)


def mean_interval(
    values: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = SEED, resamples: int = RESAMPLES
) -> Interval:
    """The mean, with bounds from the percentiles of resampled means (Efron 1979).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values have no mean")
    data = np.asarray(values, dtype=np.float64)
    means = resampled_means(data, seed=seed, resamples=resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(data.mean()), float(low), float(high), confidence)


def resampled_means(data: NDArray[np.float64], *, seed: int, resamples: int) -> NDArray[np.float64]:
    """Means of ``resamples`` samples with replacement, each as long as ``data``; shape ``(resamples,)``."""
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    rows = max(1, _CHUNK_VALUES // len(data))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        means[start : start + count] = data[generator.integers(0, len(data), size=(count, len(data)))].mean(axis=1)
    return means
