"""How long the prompts before it would keep a request waiting at a replica, as one gateway can tell."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from math import exp

REPORT_LIFETIME_S = 10.0
"""How long a replica is believed to have what it told of, although it should have been through with that before."""

UTILIZATION_WINDOW_S = 60.0
"""Of how long back a replica's utilization tells: long enough to see past bursts."""


@dataclass(slots=True)
class Backlog:
    """Prompts that a replica still has to compute. It computes them one after the other, in the order of arrival.

    ``free_s``: when it will be through with those that are known. ``run_s``: of prefill that it was sent since it last had none.
    """

    free_s: float = 0.0
    run_s: float = 0.0
    _others_s: float = 0.0  # of prefill that others had sent when the replica told last
    _believed_until_s: float = 0.0  # when it has not told meanwhile that this is done
    _recent_s: float = 0.0  # of prefill sent, older ones less
    _recent_at_s: float = 0.0
    _given_tokens: int | None = None  # in all, as the replica told last
    _told_s: float = 0.0  # of prefill given by anybody, older ones less
    _told_at_s: float = 0.0
    _pending: dict[Hashable, tuple[float, int]] = field(default_factory=dict)  # seconds, tokens

    def wait_s(self, now_s: float) -> float:
        """Seconds until a prompt that is sent now would begin to be computed."""
        if self.free_s > now_s:
            return self.free_s - now_s
        # Overdue: something that this gateway doesn't know of is in the way, and has been for that long.
        return now_s - self.free_s if self._pending or now_s < self._believed_until_s else 0.0

    @property
    def prompts(self) -> int:
        """Prompts of this gateway that are still to be computed."""
        return len(self._pending)

    def utilization(self, now_s: float, gateways: float) -> float:
        """Part of the last minute or so for which the replica was given prompts to compute.

        ``gateways``: how many times as much it gets as this one sends, for a replica that tells nothing.
        """
        own = self._recent_s * exp((self._recent_at_s - now_s) / UTILIZATION_WINDOW_S) / UTILIZATION_WINDOW_S
        if self._given_tokens is None:
            return own * gateways
        # No less than what was sent from here: what a replica was given before it told first is in none of its reports.
        return max(own, self._told_s * exp((self._told_at_s - now_s) / UTILIZATION_WINDOW_S) / UTILIZATION_WINDOW_S)

    def sent(self, key: Hashable, prefill_s: float, tokens: int, now_s: float, *, watched: bool = True) -> float:
        """A prompt was sent, of which so many ``tokens`` are to be computed.

        Returns how many seconds of prefill were sent before it since the replica last had none. Not ``watched``: nobody will tell
        when it has been computed, so it is taken to be after the time that it should take.
        """
        before_s = self.run_s if self._pending or self.free_s > now_s else 0.0
        self.run_s = before_s + prefill_s
        self.free_s = max(self.free_s, now_s) + prefill_s
        if watched:
            self._pending[key] = (prefill_s, tokens)
        self._recent_s = self._recent_s * exp((self._recent_at_s - now_s) / UTILIZATION_WINDOW_S) + prefill_s
        self._recent_at_s = now_s
        return before_s

    def computed(self, key: Hashable, now_s: float) -> bool:
        """A prompt has been computed, or won't be. Those sent before it have been, too; those behind it are left.

        Whether it was still to be computed.
        """
        if self._pending.pop(key, None) is None:
            return False
        own_free_s = now_s + sum([prefill_s for prefill_s, _ in self._pending.values()])
        # Of what others had sent, nobody can say here what is done until the replica tells: it takes no longer than expected.
        self.free_s = own_free_s + min(self._others_s, max(0.0, self.free_s - own_free_s))
        return True

    def reported(self, tokens: float, given_tokens: int, s_per_token: float, now_s: float) -> None:
        """The replica told that it has ``tokens`` to compute, whosever they are, and what it was ``given_tokens`` ever.

        Less than what was sent from here is no news: some of it was on its way, or is being computed.
        """
        own_tokens = sum([tokens for _, tokens in self._pending.values()])
        self._others_s = max(0.0, tokens - own_tokens) * s_per_token
        self._believed_until_s = 0.0
        if self._others_s > 0.0:
            self.free_s = now_s + tokens * s_per_token
            self._believed_until_s = now_s + REPORT_LIFETIME_S
        given = given_tokens - self._given_tokens if self._given_tokens is not None else 0
        self._told_s = self._told_s * exp((self._told_at_s - now_s) / UTILIZATION_WINDOW_S) + given * s_per_token
        self._told_at_s = now_s
        self._given_tokens = given_tokens
