"""What a gateway believes that replicas have in their prefix caches: chain hash → replicas, bounded, fair to organizations.

It is soft: written when a request is routed, taken back when it fails, believed for as long as the answers' own counts of cached
tokens bear it out. It needs no events from engines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.routing.org_lru import OrgLru
from cluster.routing.prefix_index import Held, PrefixIndex

ENTRY_BYTES = 270
"""Memory of an entry: its place in an ordered dictionary, the 16-byte hash, and replicas and time in one integer."""

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

    def __post_init__(self) -> None:
        self._blocks = OrgLru(self.capacity)

    @property
    def entries(self) -> int:
        return len(self._blocks)

    @property
    def wants_chains(self) -> bool:
        return False

    def lookup(self, org: str, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        """What each replica holds of the chain; replicas that hold nothing are left out."""
        values = self._blocks.leading(org, chain)
        ends: list[tuple[int, Held]] = []  # replicas as bits, and where what they hold ends
        alive = last = values[0] >> _STAMP_BITS if values else 0
        for depth, value in enumerate(values):
            alive &= value >> _STAMP_BITS
            if alive != last:
                ends.append((last & ~alive, self._held(depth, values, now_s)))
                if not alive:
                    break
                last = alive
        if alive:
            ends.append((alive, self._held(len(values), values, now_s)))
        found: dict[str, Held] = {}
        for replica_id, bit in self._bits.items():
            for bits, held in ends:
                if bits & bit:
                    found[replica_id] = held
                    break
        return found

    @staticmethod
    def _held(depth: int, values: Sequence[int], now_s: float) -> Held:
        return Held(depth, max(0.0, now_s - (values[depth - 1] & _STAMP_MASK)))

    def add(self, org: str, chain: Sequence[bytes], replica_id: str, now_s: float) -> None:
        """The replica has, or is about to have, all of these blocks."""
        stamp = int(now_s) & _STAMP_MASK
        new = self._bit(replica_id) << _STAMP_BITS | stamp
        known = self._blocks.leading(org, chain)
        path = [(key, (value & ~_STAMP_MASK) | new) for key, value in zip(chain, known, strict=False)]
        path += [(key, new) for key in chain[len(known) :]]
        self._blocks.add(org, path)

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
            self._blocks.update_all(lambda value: value & keep)

    def _bit(self, replica_id: str) -> int:
        bit = self._bits.get(replica_id)
        if bit is None:
            taken = 0
            for other in self._bits.values():
                taken |= other
            bit = self._bits[replica_id] = ~taken & (taken + 1)  # the lowest one that is free
        return bit
