"""Tuned models by name, for every request that asks for one: what was read a moment ago is not read again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from cluster.identity.principal import Principal
from cluster.tuned.model import TunedModel
from cluster.tuned.service import TunedModels

MAX_REMEMBERED = 10_000
"""About a kilobyte each."""


class TunedLookup:
    """Used on a gateway's event loop. ``lifetime_s``: how long an entry is believed. That there is none is never remembered."""

    def __init__(self, models: TunedModels, lifetime_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, TunedModel]] = OrderedDict()

    async def find(self, principal: Principal, model_id: str, *, probation: bool = False) -> TunedModel | None:
        """The caller's model of this name, if there is one. May raise :class:`~cluster.errors.StoreUnavailable`.

        ``probation``: see :meth:`TunedModels.find`; such an answer is never remembered for others.
        """
        if probation:
            return await self._models.find(principal, model_id, probation=True)
        key = (principal.org_id, model_id)
        remembered = self._known.get(key)
        if remembered is not None and self._clock() < remembered[0]:
            return remembered[1]
        self._known.pop(key, None)
        found = await self._models.find(principal, model_id)
        if found is not None:
            self._known[key] = (self._clock() + self._lifetime_s, found)
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def list(self, principal: Principal) -> list[TunedModel]:
        """Those of the caller's organization, oldest first."""
        return await self._models.list(principal)

    async def delete(self, principal: Principal, model_id: str) -> None:
        """See :meth:`TunedModels.delete`. From here on this gateway knows it no more."""
        try:
            await self._models.delete(principal, model_id)
        finally:
            self._known.pop((principal.org_id, model_id), None)
