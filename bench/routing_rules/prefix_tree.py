"""A prefix tree over prompts' blocks, as routers keep it that remember texts: which replica saw what, and how much."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence


class PrefixTree:
    """Blocks stand for the characters or tokens of a radix tree. Bounded per replica, if ``max_blocks`` is set."""

    def __init__(self, max_blocks: int | None = None) -> None:
        self._max_blocks = max_blocks
        self._held: dict[str, OrderedDict[bytes, None]] = defaultdict(OrderedDict)

    def insert(self, replica_id: str, chain: Sequence[bytes]) -> None:
        held = self._held[replica_id]
        for block in chain:
            held[block] = None
            held.move_to_end(block)
        if self._max_blocks is not None:
            while len(held) > self._max_blocks:
                held.popitem(last=False)

    def matched(self, replica_id: str, chain: Sequence[bytes]) -> int:
        """Leading blocks that the replica has seen."""
        held = self._held[replica_id]
        for depth, block in enumerate(chain):
            if block not in held:
                return depth
        return len(chain)

    def size(self, replica_id: str) -> int:
        return len(self._held[replica_id])

    def forget(self, replica_id: str) -> None:
        self._held.pop(replica_id, None)
