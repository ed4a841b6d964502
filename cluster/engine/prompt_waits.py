"""What a replica tells of its prompts for autoscaling: how many came lately, and how many of them were served worse than wanted.

Shares of a few seconds would jump about, so everything is counted over a window of :data:`WINDOW_S`.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 30.0

PROMPTS = "prompts"
LATE = "late"
FORCED_OFF = "forced_off"


class PromptWaits:
    """The prompts of one replica. Times are seconds of a steady clock; used on one event loop.

    ``target_ttft_ms``: a first token that comes later than this after the request's arrival here is late, and so is a prompt that
    has waited as long already; ``None``: none is.
    """

    def __init__(self, target_ttft_ms: float | None) -> None:
        self._target_s = target_ttft_ms / 1000.0 if target_ttft_ms is not None else None
        self._waiting: dict[str, tuple[float, bool]] = {}  # by request id: arrival, forced off
        self._served: deque[tuple[float, bool, bool]] = deque()  # end of the wait, late, forced off

    def arrived(self, request_id: str, now_s: float, *, forced_off: bool) -> None:
        """``forced_off``: load kept the request from the replica that holds most of its prompt."""
        self._waiting[request_id] = (now_s, forced_off)

    def first_token(self, request_id: str, now_s: float) -> None:
        """Further calls for the same request change nothing."""
        waited = self._waiting.pop(request_id, None)
        if waited is not None:
            arrived_s, forced_off = waited
            self._forget(now_s)
            self._served.append((now_s, self._is_late(arrived_s, now_s), forced_off))

    def ended(self, request_id: str, now_s: float) -> None:
        """A request has ended. One that was given up while it could still have been in time says nothing."""
        waited = self._waiting.get(request_id)
        if waited is not None and not self._is_late(waited[0], now_s):
            del self._waiting[request_id]
        self.first_token(request_id, now_s)

    def stats(self, now_s: float) -> dict[str, float]:
        """Counts over the window, of what waits still too: all prompts, late ones, forced off ones."""
        self._forget(now_s)
        served, waiting = self._served, self._waiting
        late = sum([was_late for _, was_late, _ in served]) + sum([self._is_late(came_s, now_s) for came_s, _ in waiting.values()])
        forced_off = sum([was for _, _, was in served]) + sum([was for _, was in waiting.values()])
        return {PROMPTS: float(len(served) + len(waiting)), LATE: float(late), FORCED_OFF: float(forced_off)}

    def _forget(self, now_s: float) -> None:
        while self._served and self._served[0][0] < now_s - WINDOW_S:
            self._served.popleft()

    def _is_late(self, arrived_s: float, now_s: float) -> bool:
        return self._target_s is not None and now_s - arrived_s > self._target_s
