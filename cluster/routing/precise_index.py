"""What replicas have in their prefix caches as their engines tell it, and what the soft index believes where they don't.

Engines tell of a prompt only after they have computed it. So what was routed just now is believed, whatever was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.routing.prefix_index import Held, PrefixIndex
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.soft_index import SoftIndex

NEWS_S = 2.0
"""How long the news of a prompt may take once it has been computed: several periods of reports, or a busy replica."""


@dataclass(slots=True)
class _Sent:
    """Prompts of one chain that a replica has still to compute, and when the first of them was sent."""

    since_s: float
    count: int = 0


@dataclass(slots=True)
class PreciseIndex(PrefixIndex):
    """``soft`` for replicas and prompts that nothing was told of, ``table`` for the others."""

    soft: SoftIndex
    table: ResidencyTable
    _sent: dict[str, dict[bytes, _Sent]] = field(default_factory=dict)  # by replica and last hash, oldest first

    @property
    def entries(self) -> int:
        return self.soft.entries

    @property
    def wants_chains(self) -> bool:
        return True

    def lookup(self, org: str, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        held = self.soft.lookup(org, chain, now_s)
        news = self.table.lookup(chain)
        if not any(told is not None and told.tokens > 0 for told in news.values()):
            # Nobody has any of it. It goes where it was last, so that prompts keep their places when caches are short of room.
            return held
        for replica_id, told in news.items():
            if told is None:
                continue
            believed = held.get(replica_id)
            if believed is not None and believed.depth > told.depth and self._may_be_news(replica_id, believed, now_s):
                continue
            if told.tokens > 0:
                held[replica_id] = Held(told.depth, believed.age_s if believed is not None else 0.0, told.tokens)
            elif believed is not None:
                del held[replica_id]
        return held

    def add(self, org: str, chain: Sequence[bytes], replica_id: str, now_s: float) -> None:
        self.soft.add(org, chain, replica_id, now_s)
        sent = self._sent.setdefault(replica_id, {}).setdefault(chain[-1], _Sent(now_s))
        sent.count += 1

    def computed(self, chain: Sequence[bytes], replica_id: str) -> None:
        waiting = self._sent.get(replica_id, {})
        sent = waiting.get(chain[-1])
        if sent is not None:
            sent.count -= 1
            if sent.count == 0:
                del waiting[chain[-1]]

    def _may_be_news(self, replica_id: str, believed: Held, now_s: float) -> bool:
        """Whether it was sent there too lately for the engine to have told of it: no earlier than something that still waits."""
        oldest_s = next((sent.since_s for sent in self._sent.get(replica_id, {}).values()), now_s)
        return believed.age_s < now_s - oldest_s + NEWS_S

    def truncate(self, org: str, chain: Sequence[bytes], replica_id: str, depth: int) -> None:
        self.soft.truncate(org, chain, replica_id, depth)

    def forget(self, replica_id: str) -> None:
        self.soft.forget(replica_id)
        self.table.forget(replica_id)
        self._sent.pop(replica_id, None)
