"""How long the prompts before it would keep a request waiting at a replica, as one gateway can tell."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from math import exp

UTILIZATION_WINDOW_S = 60.0
"""Of how long back a replica's utilization tells: long enough to see past bursts."""


@dataclass(slots=True)
class Backlog:
    """Prompts that a replica still has to compute. It computes them one after the other, in the order of arrival.

    ``free_s``: when it will be through with those that are known. ``run``: prompts that it was sent since it last had none.
    """

    free_s: float = 0.0
    run: int = 0
    _recent_s: float = 0.0  # of prefill sent, older ones less
    _recent_at_s: float = 0.0
    _pending: dict[Hashable, tuple[float, int]] = field(default_factory=dict)  # seconds, tokens

    def wait_s(self, now_s: float) -> float:
        """Seconds until a prompt that is sent now would begin to be computed."""
        if self.free_s > now_s:
            return self.free_s - now_s
        # Overdue: something that this gateway doesn't know of is in the way, and has been for that long.
        return now_s - self.free_s if self._pending else 0.0

    @property
    def prompts(self) -> int:
        """Prompts of this gateway that are still to be computed."""
        return len(self._pending)

    def utilization(self, now_s: float) -> float:
        """Part of the last minute or so for which this gateway gave the replica prompts to compute."""
        return self._recent_s * exp((self._recent_at_s - now_s) / UTILIZATION_WINDOW_S) / UTILIZATION_WINDOW_S

    def sent(self, key: Hashable, prefill_s: float, tokens: int, now_s: float, *, watched: bool = True) -> int:
        """A prompt was sent, of which so many ``tokens`` are to be computed.

        Returns how many were sent before it since the replica last had none. Not ``watched``: nobody will tell when it has been
        computed, so it is taken to be after the time that it should take.
        """
        before = self.run if self._pending or self.free_s > now_s else 0
        self.run = before + 1
        self.free_s = max(self.free_s, now_s) + prefill_s
        if watched:
            self._pending[key] = (prefill_s, tokens)
        self._recent_s = self.utilization(now_s) * UTILIZATION_WINDOW_S + prefill_s
        self._recent_at_s = now_s
        return before

    def computed(self, key: Hashable, now_s: float) -> bool:
        """A prompt has been computed, or won't be. Those sent before it have been, too; those behind it are left.

        Whether it was still to be computed.
        """
        if self._pending.pop(key, None) is None:
            return False
        self.free_s = now_s + sum([prefill_s for prefill_s, _ in self._pending.values()])
        return True

    def reported(self, tokens: float, prefill_s: float, now_s: float) -> None:
        """The replica told how much it has to compute, whosever it is. It counts if it is more than what was sent from here."""
        if tokens > sum([tokens for _, tokens in self._pending.values()]):
            self.free_s = max(self.free_s, now_s + prefill_s)
