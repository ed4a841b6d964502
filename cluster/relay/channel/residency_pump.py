"""Tells the gateways that follow this replica what has changed in its prefix cache, over the channels that they have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from cluster.relay.channel.replica_end import Dialer
from cluster.routing.residency.report import Report, Subscribe

logger = logging.getLogger(__name__)


class ResidencySource(Protocol):
    """``cluster.engine.residency.Residency``, as the pump needs it."""

    def refresh(self) -> None:
        """Take what happened since the last call into the reports."""
        ...

    def after(self, at: Subscribe) -> Iterable[Report]:
        """What a gateway that has this state is to be told, in order."""
        ...


class ResidencyPump:
    """Every ``period_s`` each gateway gets what is new to it. One whose socket takes nothing gets it later, or all at once."""

    def __init__(self, source: ResidencySource, dialer: Dialer, period_s: float) -> None:
        self._source = source
        self._dialer = dialer
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="residency-pump")
        self._task.add_done_callback(_log_defect)

    async def stop(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            self.tell()

    def tell(self) -> None:
        """Tell what is new, now."""
        self._source.refresh()
        for channel in self._dialer.channels():
            if channel.follower is None or channel.paused:
                continue
            for report in self._source.after(channel.follower):
                channel.tell(report)


def _log_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("gateways are told nothing more of this replica's prefix cache", exc_info=task.exception())
