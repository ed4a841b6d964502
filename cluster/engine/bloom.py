"""A set of fixed size that remembers by hash: it never forgets what was added, and rarely claims what was not."""

from __future__ import annotations

import hashlib
import math


class BloomFilter:
    """Bloom filter over byte strings.

    ``capacity`` entries give at most ``error_rate`` false positives; more entries raise the rate, never the size.
    Bits m = -n·ln p / (ln 2)², hashes k = m/n · ln 2; the k positions are h1 + i·h2 mod m (Kirsch and Mitzenmacher, 2006).
    """

    def __init__(self, capacity: int, error_rate: float) -> None:
        if capacity < 1 or not 0 < error_rate < 1:
            raise ValueError("capacity must be at least 1 and error_rate between 0 and 1")
        self._bits = max(8, math.ceil(-capacity * math.log(error_rate) / math.log(2) ** 2))
        self._hashes = max(1, round(self._bits / capacity * math.log(2)))
        self._field = bytearray((self._bits + 7) // 8)
        self.capacity = capacity
        self.added = 0

    @property
    def size_bytes(self) -> int:
        return len(self._field)

    def add(self, item: bytes) -> None:
        for position in self._positions(item):
            self._field[position >> 3] |= 1 << (position & 7)
        self.added += 1

    def __contains__(self, item: bytes) -> bool:
        return all(self._field[position >> 3] & (1 << (position & 7)) for position in self._positions(item))

    def _positions(self, item: bytes) -> list[int]:
        digest = hashlib.blake2b(item, digest_size=16).digest()
        first = int.from_bytes(digest[:8], "little")
        step = int.from_bytes(digest[8:], "little") | 1
        return [(first + index * step) % self._bits for index in range(self._hashes)]
