"""What replicas have in their prefix caches as their engines tell it, and what the soft index believes where they don't.

Engines tell of a prompt only after they have computed it. So what was routed just now is believed, whatever was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.routing.prefix_index import Held, PrefixIndex
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.soft_index import SoftIndex

UNDER_WAY_S = 10.0
"""How long a prompt may take from being routed until its engine's news of it are here: waiting, prefill, and a report's period."""


@dataclass(slots=True)
class PreciseIndex(PrefixIndex):
    """``soft`` for replicas and prompts that nothing was told of, ``table`` for the others."""

    soft: SoftIndex
    table: ResidencyTable

    @property
    def entries(self) -> int:
        return self.soft.entries

    @property
    def wants_chains(self) -> bool:
        return True

    def lookup(self, org: str, chain: Sequence[bytes], now_s: float) -> dict[str, Held]:
        held = self.soft.lookup(org, chain, now_s)
        for replica_id, told in self.table.lookup(chain).items():
            if told is None:
                continue
            believed = held.get(replica_id)
            if believed is not None and believed.age_s < UNDER_WAY_S and believed.depth > told.depth:
                continue
            if told.tokens > 0:
                held[replica_id] = Held(told.depth, believed.age_s if believed is not None else 0.0, told.tokens)
            elif believed is not None:
                del held[replica_id]
        return held

    def add(self, org: str, chain: Sequence[bytes], replica_id: str, now_s: float) -> None:
        self.soft.add(org, chain, replica_id, now_s)

    def truncate(self, org: str, chain: Sequence[bytes], replica_id: str, depth: int) -> None:
        self.soft.truncate(org, chain, replica_id, depth)

    def forget(self, replica_id: str) -> None:
        self.soft.forget(replica_id)
        self.table.forget(replica_id)
