"""Tells the gateways that have a channel to this replica how much it has to do, soon after that has changed."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import Protocol

from cluster.relay.channel.messages import Load
from cluster.relay.channel.replica_end import Dialer
from cluster.routing.pending import LoadReport


class LoadSource(Protocol):
    """``cluster.routing.pending.PendingPrompts``, as the pump needs it."""

    def news(self, now_s: float) -> LoadReport:
        """The state, with the marks since the last call; ``now_s`` is a steady clock."""
        ...


class LoadPump:
    """At a change at once, or ``period_s`` after it told last: however much changes, gateways get one message a period.

    A gateway whose socket takes nothing is left out; Ray Serve tells it all the same.
    """

    def __init__(self, source: LoadSource, dialer: Dialer, period_s: float) -> None:
        self._source = source
        self._dialer = dialer
        self._period_s = period_s
        self._told_s = -inf
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def changed(self) -> None:
        """There is something to tell. To be called on the event loop of the channels."""
        if self._timer is None and not self._stopped:
            wait_s = max(0.0, self._told_s + self._period_s - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.tell)

    def stop(self) -> None:
        """Tell nothing more. Idempotent."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tell(self) -> None:
        """Tell the state as it is, now."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._told_s = time.monotonic()
        message = Load(self._source.news(self._told_s))
        for channel in self._dialer.channels():
            if not channel.paused:
                channel.send(message)
