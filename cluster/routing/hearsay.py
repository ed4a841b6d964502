"""What replicas tell of prompts that other gateways sent them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from cluster.routing.prefix_index import Held

ENTRY_BYTES = 210
"""Memory of an entry with one teller: its place in an ordered dictionary, the mark, a tuple and a time. A second takes 40 more."""


TELLERS = 2
"""Remembered for each mark: a prompt that is too hot for its home is at a second replica, which tells as often as the home does."""


class Hearsay:
    """For each mark (``RouteTicket.marks``) the replicas that told of it last, and when. At most ``capacity`` marks."""

    def __init__(self, capacity: int) -> None:
        self._capacity = max(1, capacity)
        # Replica and time, the last one first, in one flat tuple: most marks have one teller.
        self._told: OrderedDict[bytes, tuple[Any, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def add(self, marks: Iterable[bytes], replica_id: str, now_s: float) -> None:
        """A replica told that it was given prompts with these marks."""
        told = self._told
        alone = (replica_id, now_s)
        for mark in marks:
            before = told.get(mark)
            if before is None:
                told[mark] = alone
            else:
                told[mark] = (alone + _without(before, replica_id))[: 2 * TELLERS]
                told.move_to_end(mark)
        while len(told) > self._capacity:
            told.popitem(last=False)

    def lookup(self, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        """Who was told to hold most of a chain, and how much; empty where nothing was told."""
        told = self._told
        if told:
            for behind, mark in enumerate(reversed(chain)):
                if mark in told:
                    entry, depth = told[mark], len(chain) - behind
                    return {entry[at]: Held(depth, now_s - entry[at + 1]) for at in range(0, len(entry), 2)}
        return {}

    def forget(self, replica_id: str) -> None:
        """The replica is gone."""
        for mark in [mark for mark, entry in self._told.items() if replica_id in entry]:
            left = _without(self._told[mark], replica_id)
            if left:
                self._told[mark] = left
            else:
                del self._told[mark]


def _without(entry: tuple[Any, ...], replica_id: str) -> tuple[Any, ...]:
    for at in range(0, len(entry), 2):
        if entry[at] == replica_id:
            return entry[:at] + entry[at + 2 :]
    return entry
