"""What a replica knows of its engine's prefix cache, and the reports in which its gateways are told.

An engine that can tell feeds it: its cache's groups at start, then what is stored and evicted, and which request each block is for.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from cluster.routing.residency.blocks import BlockKey, Group, UnsupportedCache
from cluster.routing.residency.chains import ResidentChains
from cluster.routing.residency.log import ReportLog
from cluster.routing.residency.report import Report, Subscribe

logger = logging.getLogger("ossature.engine.residency")


class ResidencyObserver(Protocol):
    """Who keeps metrics of it. Calls must not block."""

    def kv_events(self, model: str, kind: str, count: int) -> None:
        """So many blocks were ``stored`` or ``removed``, or all ``cleared``."""
        ...

    def kv_feed(self, model: str, outcome: str) -> None:
        """The engine's events had a ``gap``, which a ``replay`` closed or a ``reset`` ended."""
        ...

    def kv_resident(self, model: str, blocks: int, hashes: int) -> None:
        """Blocks that are cached now, and hashes of prefix chains that end on them."""
        ...


class Residency:
    """Of one replica. Used on its event loop.

    ``block_bytes`` and ``capacity``: see :class:`ResidentChains`. Until :meth:`begin` nothing is known, and gateways are told that.
    """

    def __init__(self, model: str, block_bytes: int, capacity: int, observer: ResidencyObserver) -> None:
        self._model = model
        self._block_bytes = block_bytes
        self._capacity = capacity
        self._observer = observer
        self._groups: Sequence[Group] = ()
        self._chains: ResidentChains | None = None
        # Steps of one within a life, so that two lives never meet.
        self._log = ReportLog(secrets.randbits(31) << 32, 2 * capacity)
        self._log.lose()

    @property
    def known(self) -> bool:
        """Whether all that the engine has cached is known."""
        return self._chains is not None

    @property
    def hashes(self) -> int:
        """Hashes of chains that are known to be served."""
        return self._chains.hashes if self._chains is not None else 0

    # --- requests ---------------------------------------------------------------------------------------------------------

    def expect(self, request_id: str, org: str, chain: Sequence[bytes], prompt_bytes: int) -> None:
        """See :meth:`ResidentChains.expect`."""
        if self._chains is not None:
            self._chains.expect(request_id, org, chain, prompt_bytes)

    def computed(self, request_id: str, prompt_tokens: int) -> None:
        """See :meth:`ResidentChains.computed`."""
        if self._chains is not None:
            self._chains.computed(request_id, prompt_tokens)

    def ended(self, request_id: str) -> None:
        """See :meth:`ResidentChains.ended`."""
        if self._chains is not None:
            self._chains.ended(request_id)

    # --- the engine's events ----------------------------------------------------------------------------------------------

    def begin(self, groups: Sequence[Group]) -> None:
        """The engine is there, with an empty cache of these groups. One that can't be followed stays unknown."""
        self._groups = groups
        self.restarted()

    def stored(self, group: int, keys: Sequence[BlockKey], parent: BlockKey | None, request_id: str | None) -> None:
        """Blocks were put into a cache group; see :meth:`ResidentChains.stored`."""
        if self._chains is not None:
            self._chains.stored(group, keys, parent, request_id)
            self._observer.kv_events(self._model, "stored", len(keys))

    def removed(self, group: int, keys: Sequence[BlockKey]) -> None:
        """Blocks were evicted from a cache group."""
        if self._chains is not None:
            self._chains.removed(group, keys)
            self._observer.kv_events(self._model, "removed", len(keys))

    def cleared(self) -> None:
        """The whole cache was dropped: from here on everything is known again."""
        self._observer.kv_events(self._model, "cleared", 1)
        if self._chains is None:
            self.restarted()
        else:
            self._chains.cleared()

    def gap(self) -> None:
        """Events are missing, for now."""
        self._observer.kv_feed(self._model, "gap")

    def replayed(self) -> None:
        """They have come after all."""
        self._observer.kv_feed(self._model, "replay")

    def lost(self) -> None:
        """Events are missing for good. Gateways are left to what they believe until the cache is known to be empty again."""
        self._observer.kv_feed(self._model, "reset")
        if self._chains is not None:
            logger.warning("lost track of what the engine of %s has cached", self._model)
            self._chains = None
            self._log.lose()

    def restarted(self) -> None:
        """The engine's cache is new and empty."""
        try:
            self._chains = ResidentChains(self._groups, self._block_bytes, self._capacity)
        except UnsupportedCache as unsupported:
            logger.warning("what the engine of %s has cached can't be followed: %s", self._model, unsupported)
            self._chains = None
            self._log.lose()
        else:
            self._log.restart()

    # --- reports ----------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take all that happened since the last call into the reports. Milliseconds after a long prompt."""
        if self._chains is not None:
            self._log.add(self._chains.news())
            self._observer.kv_resident(self._model, self._chains.blocks, self._chains.hashes)
        else:
            self._observer.kv_resident(self._model, 0, 0)

    def after(self, at: Subscribe) -> Iterable[Report]:
        """What a gateway that has this state is to be told, in order."""
        return self._log.after(at)
