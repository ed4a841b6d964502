"""What a replica tells all gateways of its load: how much it has to compute, and which prompts it was given.

Each gateway knows only its own requests. The replica meets them all, so it adds up what their tickets say. It tells the same on two
ways: over its channel to a gateway soon after something has changed, and through Ray Serve from time to time. The state is
numbered, so that whoever is told on both ways can tell what is old.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cluster.routing.ticket import ArrivedTicket

ONGOING = "ongoing"
PENDING_TOKENS = "pending_tokens"
GIVEN_TOKENS = "given_tokens"
MARKS = "marks"
NUMBER = "number"
ADAPTERS = "adapters"
ADAPTER_LOAD_MS = "adapter_load_ms"

MARKS_LIFETIME_S = 2.0
"""Told more than once through Ray Serve, because a broadcast may be superseded by the next one before a gateway has seen it."""

MAX_MARKS = 4096
"""64 KiB of hashes; at ten marks a request, four hundred requests in two seconds."""

_MEMORY = 20

_STEP_S = 0.001
"""Prompts whose first tokens come within this were computed in the same step of the engine."""


class LoadReport(msgspec.Struct, frozen=True, array_like=True):
    """A replica's state: ``number`` grows with each change of it.

    ``ongoing``: requests that it has, running and waiting. ``pending_tokens``: prompt tokens that it still has to compute, by the
    estimates of the gateways that sent them; ``given_tokens``: all that it was ever given. ``marks`` of prompts that came lately.
    ``adapters`` and ``adapter_load_ms``: see :class:`~cluster.routing.policy.ReplicaReport`.
    """

    number: int
    ongoing: int
    pending_tokens: float
    given_tokens: int = 0
    marks: tuple[bytes, ...] = ()
    adapters: tuple[bytes, ...] = ()
    adapter_load_ms: float = 0.0

    @classmethod
    def of_stats(cls, stats: Mapping[str, Any]) -> LoadReport | None:
        """What Ray Serve carried; ``None`` for what :meth:`PendingPrompts.stats` did not make."""
        if NUMBER not in stats:
            return None
        return cls(
            stats[NUMBER],
            stats[ONGOING],
            stats[PENDING_TOKENS],
            stats[GIVEN_TOKENS],
            stats[MARKS],
            stats.get(ADAPTERS, ()),
            stats.get(ADAPTER_LOAD_MS, 0.0),
        )


class PendingPrompts:
    """The requests of one replica, and which of their prompts are not computed yet. Used on one event loop.

    Times are seconds of a steady clock.
    """

    def __init__(self) -> None:
        #: Called when something has changed.
        self.on_change: Callable[[], None] = lambda: None
        self._ongoing: set[str] = set()  # request ids
        self._number = 0
        self._given_tokens = 0
        self._tokens: dict[str, int] = {}  # by request id, in the order of arrival
        self._marks: deque[tuple[float, bytes]] = deque(maxlen=MAX_MARKS)
        self._new_marks: deque[bytes] = deque(maxlen=MAX_MARKS)
        self._head_since_s = 0.0
        self._tokens_per_s = 0.0
        self._step_s = 0.0  # that the prompts computed last took
        self._adapters: tuple[bytes, ...] = ()
        self._adapter_load_ms = 0.0

    def arrived(self, request_id: str, ticket: ArrivedTicket | None, now_s: float) -> None:
        """A request has come, with the ticket of the gateway that sent it."""
        self._ongoing.add(request_id)
        if ticket is not None:
            if not self._tokens:
                self._head_since_s = now_s
            self._tokens[request_id] = ticket.uncached_tokens
            self._given_tokens += ticket.uncached_tokens
            self._marks.extend([(now_s, mark) for mark in ticket.marks])
            self._new_marks.extend(ticket.marks)
        self._changed()

    def computed(self, request_id: str, now_s: float) -> None:
        """A request has its first token. Further calls for it change nothing."""
        tokens = self._tokens.pop(request_id, None)
        if tokens is None:
            return
        elapsed_s = now_s - self._head_since_s
        if elapsed_s >= _STEP_S and tokens > 0:
            self._step_s = elapsed_s
            self._tokens_per_s += (tokens / elapsed_s - self._tokens_per_s) / _MEMORY
        elif self._step_s > 0.0:
            # With those before it, in the same time.
            self._tokens_per_s += tokens / self._step_s / _MEMORY
        self._head_since_s = now_s
        self._changed()

    def ended(self, request_id: str, now_s: float) -> None:
        """A request has ended, with a first token or without."""
        if request_id in self._tokens:
            # It says nothing of how fast others are computed; at most somebody else's turn comes now.
            if request_id == next(iter(self._tokens)):
                self._head_since_s = now_s
            del self._tokens[request_id]
            self._changed()
        if request_id in self._ongoing:
            self._ongoing.discard(request_id)
            self._changed()

    def adapters_changed(self, tags: tuple[bytes, ...], load_ms: float) -> None:
        """Adapters that are loaded or about to be, and what a load takes, in milliseconds (0: not known)."""
        if (tags, load_ms) != (self._adapters, self._adapter_load_ms):
            self._adapters, self._adapter_load_ms = tags, load_ms
            self._changed()

    def pending_tokens(self, now_s: float) -> float:
        """Tokens still to be computed; of the prompt at the head, what is left at the rate of the last ones."""
        if not self._tokens:
            return 0.0
        head = next(iter(self._tokens.values()))
        done = min(head, self._tokens_per_s * (now_s - self._head_since_s))
        return sum(self._tokens.values()) - done

    def stats(self, now_s: float) -> dict[str, Any]:
        """The state as plain values, with the marks of the last two seconds: Ray Serve carries it to all gateways."""
        while self._marks and self._marks[0][0] < now_s - MARKS_LIFETIME_S:
            self._marks.popleft()
        adapters = (
            {ADAPTERS: self._adapters, ADAPTER_LOAD_MS: self._adapter_load_ms} if self._adapter_load_ms or self._adapters else {}
        )
        return {
            **adapters,
            NUMBER: self._number,
            ONGOING: len(self._ongoing),
            PENDING_TOKENS: self.pending_tokens(now_s),
            GIVEN_TOKENS: self._given_tokens,
            MARKS: tuple([mark for _, mark in self._marks]),
        }

    def news(self, now_s: float) -> LoadReport:
        """The state, with the marks since the last call."""
        marks = tuple(self._new_marks)
        self._new_marks.clear()
        return LoadReport(
            self._number,
            len(self._ongoing),
            self.pending_tokens(now_s),
            self._given_tokens,
            marks,
            self._adapters,
            self._adapter_load_ms,
        )

    def _changed(self) -> None:
        self._number += 1
        self.on_change()
