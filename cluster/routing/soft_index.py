"""What a gateway believes that replicas have in their prefix caches: chain hash → replicas, bounded, fair to organizations.

It is soft: written when a request is routed, taken back when it fails, believed for as long as the answers' own counts of cached
tokens bear it out. It needs no events from engines.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.routing.org_lru import OrgLru
from cluster.routing.prefix_index import Held, PrefixIndex

ENTRY_BYTES = 190
"""Memory of an entry: its place in an ordered dictionary, the 16-byte hash, and replicas and time in one integer."""

REMEMBERED_SETS = 1024

_STAMP_BITS = 32
_STAMP_MASK = (1 << _STAMP_BITS) - 1


@dataclass(slots=True)
class SoftIndex(PrefixIndex):
    """For each block of known prompts the replicas that hold it, as bits of an integer above the second of its last use.

    ``capacity``: blocks remembered over all organizations. Not thread-safe.
    """

    capacity: int
    _blocks: OrgLru[int] = field(init=False)
    _bits: dict[str, int] = field(default_factory=dict)  # by replica id
    _ids_of: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of the sets of replicas met lately

    def __post_init__(self) -> None:
        self._blocks = OrgLru(self.capacity)

    @property
    def entries(self) -> int:
        return len(self._blocks)

    @property
    def wants_chains(self) -> bool:
        return False

    def lookup(self, org: str, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        """What each replica holds of the chain; replicas that hold nothing are left out.

        Takes time in proportion to the logarithm of the chain's length, for each depth at which what replicas hold ends.
        """
        # Whoever holds a block holds those before it, and whatever is known of a chain begins at its start: so all of it can be
        # found by bisection.
        blocks = self._blocks.peek(org)
        if not blocks or not chain:
            return {}
        known = bisect_left(chain, True, key=lambda key: key not in blocks)
        found: dict[str, Held] = {}
        depth, bits = 0, 0
        while depth < known:
            value = blocks[chain[depth]]
            bits = value >> _STAMP_BITS
            if not bits:
                break
            # As far as the same replicas go.
            end = bisect_left(chain, True, depth + 1, known, key=lambda key: blocks[key] >> _STAMP_BITS != bits)
            held = Held(end, max(0.0, now_s - (blocks[chain[end - 1]] & _STAMP_MASK)))
            found.update(dict.fromkeys(self._replicas(bits), held))
            depth = end
        return found

    def add(self, org: str, chain: Sequence[bytes], replica_id: str, now_s: float) -> None:
        """The replica has, or is about to have, all of these blocks."""
        new = self._bit(replica_id) << _STAMP_BITS | (int(now_s) & _STAMP_MASK)

        def used(value: int | None) -> int:
            return new if value is None else (value & ~_STAMP_MASK) | new

        self._blocks.merge(org, chain, used)

    def _replicas(self, bits: int) -> tuple[str, ...]:
        """Ids of the replicas that these bits stand for."""
        ids = self._ids_of.get(bits)
        if ids is None:
            if len(self._ids_of) >= REMEMBERED_SETS:
                self._ids_of.clear()
            ids = self._ids_of[bits] = tuple([replica_id for replica_id, bit in self._bits.items() if bits & bit])
        return ids

    def computed(self, chain: Sequence[bytes], replica_id: str) -> None:
        """It is believed from the moment it was sent."""

    def truncate(self, org: str, chain: Sequence[bytes], replica_id: str, depth: int) -> None:
        """The replica holds no more than the first ``depth`` blocks."""
        keep = ~(self._bits.get(replica_id, 0) << _STAMP_BITS)
        known = self._blocks.leading(org, chain)
        self._blocks.add(org, [(key, value & keep) for key, value in zip(chain[depth:], known[depth:], strict=False)])

    def forget(self, replica_id: str) -> None:
        """The replica is gone. Takes time in proportion to the index: about 10 ms for 200,000 entries."""
        bit = self._bits.pop(replica_id, 0)
        if bit:
            keep = ~(bit << _STAMP_BITS)
            self._ids_of.clear()
            self._blocks.update_all(lambda value: value & keep)

    def _bit(self, replica_id: str) -> int:
        bit = self._bits.get(replica_id)
        if bit is None:
            taken = 0
            for other in self._bits.values():
                taken |= other
            self._ids_of.clear()
            bit = self._bits[replica_id] = ~taken & (taken + 1)  # the lowest one that is free
        return bit
