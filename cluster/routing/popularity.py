"""How often known prefixes are asked for: what another copy of one would be worth."""

from __future__ import annotations

from collections import OrderedDict
from math import exp

ENTRY_BYTES = 240
"""Memory of an entry: its place in an ordered dictionary, the 16-byte hash, and a pair of numbers."""


class Popularity:
    """For each prefix about how many requests came in the last ``span_s`` seconds, older ones counting less.

    Remembers ``capacity`` prefixes. Not thread-safe.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        self._asked: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # by its last block: count, and when that was

    def __len__(self) -> int:
        return len(self._asked)

    def asked(self, prefix: bytes, now_s: float, span_s: float) -> float:
        """Count a request in, and give the number of all. ``prefix`` is the hash of its last block."""
        count, at_s = self._asked.pop(prefix, (0.0, now_s))
        count = 1.0 + count * exp((at_s - now_s) / span_s)
        self._asked[prefix] = (count, now_s)
        if len(self._asked) > self._capacity:
            self._asked.popitem(last=False)
        return count
