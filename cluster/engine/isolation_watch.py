"""Notice cached tokens that cross organizations, without knowing a prompt.

The first request of an organization under a salt, on an engine that has just started or never saw the pair, can't find anything of
its own in the cache. If it reports cached tokens all the same, they are somebody else's: the salt does not separate. That number
exists to be zero.

The watch must never raise a false alarm, and its memory must be bounded, so it errs to silence:

- Which pairs were seen is kept in two Bloom filters that rotate: additions go to the younger, questions to both. A false positive
  hides one check. Each pair is added again on every request, so it is remembered for at least one rotation after its last use.
- A salt is in use for at most one retention period (24 h at most). The rotation is longer, so a pair is not forgotten while its
  own entries can still be in the cache.
- A pair counts as seen from the start of its first request, not from its end. If another request of the pair starts before the
  first has ended, the engine may have run it earlier, so the first one is not judged.
- A request of several prompts or sequences can find its own blocks; it marks the pair and is not judged (``alone=False``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cluster.engine.bloom import BloomFilter

ROTATION_S = 25 * 3600.0
"""The longest retention period (24 h) and an hour for clocks that disagree."""

CAPACITY = 1_000_000
"""Pairs that each filter holds at 1 % false positives: 1.2 MB a filter."""


class Observation:
    """One request between start and end."""

    __slots__ = ("_pair", "judged")

    def __init__(self, pair: bytes, judged: bool) -> None:
        self._pair = pair
        self.judged = judged

    @property
    def pair(self) -> bytes:
        return self._pair


class IsolationWatch:
    """Judges requests of one engine. Used from one event loop; a new engine needs a new watch.

    ``rotation_s`` must exceed the longest retention period; ``clock`` gives seconds and need only move forward.
    """

    def __init__(
        self,
        rotation_s: float = ROTATION_S,
        clock: Callable[[], float] = time.monotonic,
        capacity: int = CAPACITY,
        error_rate: float = 0.01,
    ) -> None:
        self._rotation_s = rotation_s
        self._clock = clock
        self._capacity = capacity
        self._error_rate = error_rate
        self._young = self._filter()
        self._old = self._filter()
        self._rotate_at_s = clock() + rotation_s
        self._first: dict[bytes, Observation] = {}

    @property
    def size_bytes(self) -> int:
        """Memory of both filters."""
        return self._young.size_bytes + self._old.size_bytes

    def begin(self, org_tag: str, cache_salt: str, *, alone: bool = True) -> Observation:
        """A request starts. ``alone``: it has one prompt and one sequence. Every observation must be ended or dropped."""
        self._rotate()
        pair = len(org_tag).to_bytes(4, "little") + org_tag.encode() + cache_salt.encode()
        contested = self._first.get(pair)
        if contested is not None:
            contested.judged = False
        observation = Observation(pair, judged=alone and pair not in self._young and pair not in self._old)
        self._young.add(pair)
        if observation.judged:
            self._first[pair] = observation
        return observation

    def end(self, observation: Observation, cached_tokens: int) -> bool:
        """A request has ended with the engine's own count. Returns whether it hit somebody else's cache."""
        self.drop(observation)
        return observation.judged and cached_tokens > 0

    def drop(self, observation: Observation) -> None:
        """A request ended without a count. Idempotent."""
        if self._first.get(observation.pair) is observation:
            del self._first[observation.pair]

    def _rotate(self) -> None:
        now_s = self._clock()
        if now_s < self._rotate_at_s:
            return
        self._old, self._young = self._young, self._filter()
        self._rotate_at_s = now_s + self._rotation_s

    def _filter(self) -> BloomFilter:
        return BloomFilter(self._capacity, self._error_rate)
