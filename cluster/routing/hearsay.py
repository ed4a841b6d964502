"""What replicas tell of prompts that other gateways sent them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from cluster.routing.prefix_index import Held

ENTRY_BYTES = 210
"""Memory of an entry: its place in an ordered dictionary, the 16-byte mark, and a pair with a time."""


class Hearsay:
    """For each mark (``RouteTicket.marks``) the replica that told of it last, and when. At most ``capacity`` marks."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        self._told: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def add(self, marks: Iterable[bytes], replica_id: str, now_s: float) -> None:
        """A replica told that it was given prompts with these marks."""
        told = self._told
        for mark in marks:
            told[mark] = (replica_id, now_s)
            told.move_to_end(mark)
        while len(told) > self._capacity:
            told.popitem(last=False)

    def lookup(self, chain: Sequence[bytes], now_s: float) -> tuple[str, Held] | None:
        """Who was told to hold most of a chain, and how much."""
        told = self._told
        if told:
            for behind, mark in enumerate(reversed(chain)):
                if mark in told:
                    replica_id, told_s = told[mark]
                    return replica_id, Held(len(chain) - behind, now_s - told_s)
        return None

    def forget(self, replica_id: str) -> None:
        """The replica is gone."""
        for mark in [mark for mark, (teller, _) in self._told.items() if teller == replica_id]:
            del self._told[mark]
