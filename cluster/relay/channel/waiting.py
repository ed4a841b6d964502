"""What all streams of a gateway hold together for clients that do not read: counted, and bounded.

A stream is bounded by its window, but a thousand slow readers would hold a thousand windows. At the bound room is made by giving up
the answer that holds most, of the organization that holds most. So whoever reads pays nothing, one organization can't push out
another by opening more streams, and nobody is refused for what others hold.
"""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """Something in which payload waits."""

    @property
    def owner(self) -> str:
        """On whose account it waits."""
        ...

    def give_up(self) -> None:
        """Let go of all that waits; :meth:`WaitingBytes.released` has counted it already."""
        ...


class WaitingBytes:
    """The account of one gateway, used on its event loop. ``size_bytes`` never stays above ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        #: What waits now.
        self.size_bytes = 0
        #: Answers that were given up for room.
        self.given_up = 0
        self._held: dict[str, dict[Holder, int]] = {}

    def kept(self, holder: Holder, size_bytes: int) -> None:
        """So much more waits in ``holder``. It, or another one, may be given up before this returns."""
        held = self._held.setdefault(holder.owner, {})
        held[holder] = held.get(holder, 0) + size_bytes
        self.size_bytes += size_bytes
        while self.size_bytes > self.max_bytes:
            self._make_room()

    def released(self, holder: Holder, size_bytes: int | None = None) -> None:
        """So much that waits in ``holder`` waits no more; without ``size_bytes`` all of it. Nothing happens where nothing waits."""
        held = self._held.get(holder.owner)
        before = held.get(holder) if held is not None else None
        if held is None or before is None:
            return
        released = before if size_bytes is None else size_bytes
        self.size_bytes -= released
        if released < before:
            held[holder] = before - released
            return
        del held[holder]
        if not held:
            del self._held[holder.owner]

    def _make_room(self) -> None:
        # A walk over all that waits; each one ends an answer, so there are not more of them than requests.
        most = max(self._held.values(), key=lambda held: sum(held.values()))
        largest = max(most, key=most.__getitem__)
        self.released(largest)
        self.given_up += 1
        largest.give_up()
