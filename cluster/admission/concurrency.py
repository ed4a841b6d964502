"""How many requests one organization may have in progress on this gateway."""

from __future__ import annotations

from types import TracebackType

from cluster.errors import RateLimited

RETRY_AFTER_S = 1.0
"""When a place becomes free depends on the organization's own requests; a second is short for those and no storm for us."""


class ConcurrencyLimit:
    """Counts requests in progress. Nothing here waits, so that no cancellation can come between counting and holding.

    Belongs to one event loop. Organizations without a request in progress take no memory.
    """

    def __init__(self, limit_per_org: int, counted: str = "requests") -> None:
        """``counted``: what it limits, as callers are told."""
        if limit_per_org < 1:
            raise ValueError("limit_per_org must be at least 1")
        self._limit = limit_per_org
        self._counted = counted
        self._in_progress: dict[str, int] = {}

    def acquire(self, org_id: str) -> Slot:
        """Take a place, to be given back by leaving ``with`` (or :meth:`Slot.release`). Raises :class:`RateLimited`."""
        count = self._in_progress.get(org_id, 0)
        if count >= self._limit:
            raise RateLimited(
                f"Your organization has {count} {self._counted} in progress, which is its limit. Try again when one has ended.",
                code="concurrency_limit_exceeded",
                retry_after_s=RETRY_AFTER_S,
            )
        self._in_progress[org_id] = count + 1
        return Slot(self, org_id)

    def in_progress(self, org_id: str) -> int:
        """How many places the organization holds now."""
        return self._in_progress.get(org_id, 0)

    def _give_back(self, org_id: str) -> None:
        count = self._in_progress[org_id] - 1
        if count:
            self._in_progress[org_id] = count
        else:
            del self._in_progress[org_id]


class Slot:
    """One request's place. A context manager; releasing twice is harmless."""

    __slots__ = ("_limit", "_org_id", "_released")

    def __init__(self, limit: ConcurrencyLimit, org_id: str) -> None:
        self._limit = limit
        self._org_id = org_id
        self._released = False

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._limit._give_back(self._org_id)

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()
