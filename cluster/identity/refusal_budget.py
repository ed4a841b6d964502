"""How many refused attempts of one caller are written down."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BURST = 20
REFILL_PER_S = 0.1
"""20 at once and 8,640 a day at most: about 3 MB of rows for each caller who is refused all day."""
MAX_ACTORS = 1000


@dataclass(frozen=True, slots=True)
class Granted:
    """``passed_over``: how many were not written since the last one that was."""

    passed_over: int


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    passed_over: int = 0


class RefusalBudget:
    """A token bucket for each actor; all who are unknown share one. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, actor: str) -> Granted | None:
        """``None``: this one is not to be written."""
        now = self._clock()
        bucket = self._buckets.setdefault(actor, _Bucket(BURST, now))
        self._buckets.move_to_end(actor)
        if len(self._buckets) > MAX_ACTORS:
            self._buckets.popitem(last=False)
        bucket.left = min(BURST, bucket.left + (now - bucket.at) * REFILL_PER_S)
        bucket.at = now
        if bucket.left < 1:
            bucket.passed_over += 1
            return None
        bucket.left -= 1
        granted, bucket.passed_over = Granted(bucket.passed_over), 0
        return granted
