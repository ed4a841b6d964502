"""The contract of prefix indexes: what a policy asks of which replica holds what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Held:
    """How many leading blocks of a chain a replica holds, and how long ago (s) the deepest of them was last used by anybody.

    ``tokens``: how many of the prompt's tokens its engine would find, where that is known and not believed.
    """

    depth: int
    age_s: float
    tokens: int | None = None


class PrefixIndex(Protocol):
    """Implementations: ``SoftIndex`` believes, ``PreciseIndex`` is told by the engines where they tell. Not thread-safe."""

    @property
    def entries(self) -> int:
        """Blocks remembered now."""
        ...

    @property
    def wants_chains(self) -> bool:
        """Whether replicas are to be given the chains of their requests, to tell of them."""
        ...

    def lookup(self, org: str, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        """What each replica holds of the chain; replicas that hold nothing are left out."""
        ...

    def add(self, org: str, chain: Sequence[bytes], replica_id: str, now_s: float) -> None:
        """The replica was sent a prompt: it has, or is about to have, all of these blocks."""
        ...

    def computed(self, chain: Sequence[bytes], replica_id: str) -> None:
        """A prompt that was added has been computed, or won't be. Once for each :meth:`add`."""
        ...

    def truncate(self, org: str, chain: Sequence[bytes], replica_id: str, depth: int) -> None:
        """The replica holds no more than the first ``depth`` blocks."""
        ...

    def forget(self, replica_id: str) -> None:
        """The replica is gone."""
        ...
