"""What a replica tells all gateways from time to time: how much it has to compute, and which prompts it was given.

Each gateway knows only its own requests. The replica meets them all, so it adds up what their tickets say.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from cluster.routing.ticket import ArrivedTicket

ONGOING = "ongoing"
"""Requests that the replica has, running and waiting."""

PENDING_TOKENS = "pending_tokens"
MARKS = "marks"

MARKS_LIFETIME_S = 2.0
"""Told more than once, because a broadcast may be superseded by the next one before a gateway has seen it."""

MAX_MARKS = 4096
"""64 KiB of hashes; at ten marks a request, four hundred requests in two seconds."""

_MEMORY = 20


class PendingPrompts:
    """The prompts of one replica that are not computed yet. Times are seconds of a steady clock. Used on one event loop."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}  # by request id, in the order of arrival
        self._marks: deque[tuple[float, bytes]] = deque(maxlen=MAX_MARKS)
        self._head_since_s = 0.0
        self._tokens_per_s = 0.0

    def arrived(self, request_id: str, ticket: ArrivedTicket | None, now_s: float) -> None:
        """A request has come, with the ticket of the gateway that sent it."""
        if ticket is None:
            return
        if not self._tokens:
            self._head_since_s = now_s
        self._tokens[request_id] = ticket.uncached_tokens
        self._marks.extend([(now_s, mark) for mark in ticket.marks])

    def computed(self, request_id: str, now_s: float) -> None:
        """A request has its first token, or has ended without one. Further calls for it change nothing."""
        tokens = self._tokens.pop(request_id, None)
        if tokens is None:
            return
        elapsed_s = now_s - self._head_since_s
        if elapsed_s > 0.0 and tokens > 0:
            self._tokens_per_s += (tokens / elapsed_s - self._tokens_per_s) / _MEMORY
        self._head_since_s = now_s

    def pending_tokens(self, now_s: float) -> float:
        """Tokens still to be computed; of the prompt at the head, what is left at the rate of the last ones."""
        if not self._tokens:
            return 0.0
        head = next(iter(self._tokens.values()))
        done = min(head, self._tokens_per_s * (now_s - self._head_since_s))
        return sum(self._tokens.values()) - done

    def report(self, now_s: float) -> dict[str, Any]:
        """Both as plain values: Ray Serve carries them to all gateways."""
        while self._marks and self._marks[0][0] < now_s - MARKS_LIFETIME_S:
            self._marks.popleft()
        return {PENDING_TOKENS: self.pending_tokens(now_s), MARKS: tuple(mark for _, mark in self._marks)}
