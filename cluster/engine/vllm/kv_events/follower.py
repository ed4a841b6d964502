"""Keeps a replica's :class:`~cluster.engine.residency.Residency` in step with its engine core."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.engine.residency import Residency
from cluster.engine.vllm.kv_events.feed import EventFeed
from cluster.engine.vllm.kv_events.sockets import EventSockets
from cluster.engine.vllm.kv_events.wire import DEVICE_MEDIUM, AllBlocksCleared, BlockRemoved, BlockStored
from cluster.routing.residency.blocks import Group, UnsupportedCache

logger = logging.getLogger("ossature.engine.kv_events")

FULL_KINDS = frozenset({"full_attention", "mla_attention", "sink_full_attention"})
SLIDING_KINDS = frozenset({"sliding_window", "sliding_window_mla"})
"""vLLM's names (``KVCacheSpecKind``). States of recurrent layers and chunks of local attention follow other rules."""

_DEVICE = frozenset({None, DEVICE_MEDIUM})


class EventFollower:
    """One for each engine. ``configure`` before it is launched, ``begin`` once it is there, ``stop`` in any case."""

    def __init__(self, residency: Residency) -> None:
        self.residency = residency
        self._sockets: EventSockets | None = None
        self._task: asyncio.Task[None] | None = None

    def configure(self, namespace: Any) -> None:
        """Have the engine core publish its events. ``namespace``: vLLM's parsed arguments."""
        self._sockets = EventSockets.make()
        namespace.kv_events_config = self._sockets.publisher()

    async def begin(self, engine_core: Any) -> None:
        """Follow the events of ``engine_core``, vLLM's client of it. A cache that can't be followed is left alone."""
        assert self._sockets is not None, "the engine was configured to publish events"
        try:
            groups = groups_of(await engine_core.call_utility_async("get_kv_cache_group_metadata"))
            self.residency.begin(groups)
        except UnsupportedCache as unsupported:
            logger.warning("the prefix cache of this engine can't be followed: %s", unsupported)
            return
        feed = EventFeed(self._sockets.events, self._sockets.replay, ResidencyReader(self.residency))
        self._task = asyncio.create_task(feed.run(), name="kv-events")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if self._sockets is not None:
            self._sockets.remove()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            logger.error("the engine core's events can't be read any more", exc_info=task.exception())
            self.residency.lost()


class ResidencyReader:
    """Implements :class:`~cluster.engine.vllm.kv_events.feed.EventReader`."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    def events(self, events: Sequence[BlockStored | BlockRemoved | AllBlocksCleared]) -> None:
        for event in events:
            match event:
                case AllBlocksCleared():
                    self._residency.cleared()
                case BlockStored() if event.medium in _DEVICE:
                    group = event.group_idx or 0
                    self._residency.stored(group, event.block_hashes, event.parent_block_hash, event.session_id)
                case BlockRemoved() if event.medium in _DEVICE:
                    self._residency.removed(event.group_idx or 0, event.block_hashes)

    def gap(self) -> None:
        self._residency.gap()

    def replayed(self, batches: int) -> None:
        logger.info("%d missed batches of the engine core's events were replayed", batches)
        self._residency.replayed()

    def lost(self) -> None:
        self._residency.lost()

    def restarted(self) -> None:
        self._residency.restarted()


def groups_of(metadata: Sequence[Mapping[str, Any]]) -> list[Group]:
    """vLLM's description of its cache groups, in the order of their numbers. Raises :class:`UnsupportedCache`."""
    groups: list[Group] = []
    for entry in metadata:
        kind = entry["kind"]
        if kind in FULL_KINDS:
            groups.append(Group(entry["block_size"]))
        elif kind in SLIDING_KINDS:
            groups.append(Group(entry["block_size"], entry["sliding_window"]))
        else:
            raise UnsupportedCache(f"a cache group of kind {kind}")
    return groups
