"""Whether the Ray underneath lives, as the process that runs the cluster sees it.

A Ray of one machine whose control service (GCS) or whose raylet has died doesn't come back by itself, and nothing that dies from
then on is replaced. Ray tells nobody: its calls wait for the control service, and after 60 s it ends its processes, this one too,
without a word and with HAProxy left behind, which answers 500. So one thread asks, and another looks at the clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PERIOD_S = 1.0
_LOOKS = 4
"""Looks at the clock in a period."""


class RayWatch:
    """Asks ``alive`` every second from :meth:`start` to :meth:`stop`, and calls ``on_lost`` once, with the reason, if Ray is dead.

    ``alive`` says whether this machine's node is alive; it may block, and raise whatever Ray raises. ``False`` counts at once, no
    answer after ``lost_after_s`` seconds. ``on_lost`` runs in a thread of the watch; :attr:`lost` is the reason by then.

    Time for which this process itself was stopped (Ctrl-Z, a paused virtual machine) does not count: nobody asked meanwhile.
    """

    def __init__(self, alive: Callable[[], bool], lost_after_s: float, on_lost: Callable[[str], None]) -> None:
        self.lost: str | None = None
        self._alive = alive
        self._lost_after_s = lost_after_s
        self._on_lost = on_lost
        self._answered = False
        self._last_error = ""
        self._node_dead = False
        self._stopped = threading.Event()

    def start(self) -> None:
        # Daemons: the one that asks may never come back from Ray.
        for target in (self._ask, self._look):
            threading.Thread(target=target, daemon=True, name=f"ray-watch{target.__name__}").start()

    def stop(self) -> None:
        """Ask nothing more. What is known to be lost by now stays so."""
        self._stopped.set()

    def _ask(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            try:
                alive = self._alive()
            except Exception as error:  # noqa: BLE001 - whatever Ray raises is no answer; it is told with the reason
                self._last_error = f"; {error}"
                continue
            self._node_dead = not alive
            self._answered = True

    def _look(self) -> None:
        silent_s, looked_s = 0.0, time.monotonic()
        while not self._stopped.wait(_PERIOD_S / _LOOKS):
            now_s = time.monotonic()
            silent_s += min(now_s - looked_s, _PERIOD_S)
            looked_s = now_s
            if self._answered:
                silent_s, self._answered = 0.0, False
            if self._node_dead:
                self.lost = "Ray's node on this machine is dead: its raylet has ended, or answers no health checks"
            elif silent_s > self._lost_after_s:
                self.lost = f"Ray's control service (GCS) has not answered for {silent_s:.0f} s{self._last_error}"
            else:
                continue
            self._on_lost(self.lost)
            return
