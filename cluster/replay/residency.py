"""What a simulated replica tells of its prefix cache, with the real index in between: ``routing.index: precise``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.replay.kv_cache import BlockKey, KvCache
from cluster.routing.residency.blocks import Group
from cluster.routing.residency.chains import ResidentChains
from cluster.routing.residency.log import ReportLog
from cluster.routing.residency.report import Subscribe
from cluster.routing.residency.table import ResidencyTable

_FULL, _SLIDING = 0, 1


@dataclass(slots=True)
class Listener:
    """A gateway's table, and which state of each replica it has been told."""

    table: ResidencyTable
    told: dict[str, Subscribe] = field(default_factory=dict)


class SimulatedResidency:
    """Of one replica. It hears of its cache what an engine's events would say, and tells gateways at each report.

    With a retention interval there is a second cache group: a sliding window of one block, kept where hits can end.
    """

    def __init__(self, cache: KvCache, block_bytes: int, capacity: int, epoch: int) -> None:
        groups = [Group(cache.block_tokens)]
        if cache.keeps_part:
            groups.append(Group(cache.block_tokens, window_tokens=cache.block_tokens))
        self._cache = cache
        self._sliding = len(groups) > 1
        self._chains = ResidentChains(groups, block_bytes, capacity)
        self._log = ReportLog(epoch << 32, 2 * capacity)
        self._log.restart()
        self._kept: set[BlockKey] = set()
        self._current: str | None = None
        cache.listener = self

    def scheduled(self, name: str, org: str, chain: Sequence[bytes], prompt_bytes: int) -> None:
        """A request is about to be given its blocks."""
        self._chains.expect(name, org, chain, prompt_bytes)
        self._current = name

    def computed(self, name: str, prompt_tokens: int) -> None:
        self._chains.computed(name, prompt_tokens)

    def ended(self, name: str) -> None:
        self._chains.ended(name)

    # Listener of the cache
    def stored(self, path: Sequence[BlockKey], new: Sequence[int]) -> None:
        """A prompt's blocks are in use; those at the indices ``new`` weren't cached before."""
        for index in new:
            self._chains.stored(_FULL, path[index : index + 1], path[index - 1] if index else None, self._current)
        if self._sliding:
            kept = [key for key in self._cache.kept(path) if key not in self._kept]
            self._kept.update(kept)
            self._chains.stored(_SLIDING, kept, None, self._current)

    def evicted(self, key: BlockKey) -> None:
        self._chains.removed(_FULL, [key])
        if key in self._kept:
            self._kept.discard(key)
            self._chains.removed(_SLIDING, [key])

    def tell(self, replica_id: str, listeners: Sequence[Listener]) -> None:
        """Tell each gateway what is new to it."""
        self._log.add(self._chains.news())
        for listener in listeners:
            for report in self._log.after(listener.told.get(replica_id, Subscribe())):
                listener.table.apply(replica_id, report)
                listener.told[replica_id] = Subscribe(report.epoch, report.number)
