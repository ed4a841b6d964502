"""What the gateway's end of the channels reports to whoever keeps metrics. Telemetry implements it; the relay knows only this."""

from __future__ import annotations

from typing import Protocol


class ChannelObserver(Protocol):
    """Calls are made on the gateway's event loop and must not block; none is made for each token."""

    def channel_connected(self, *, again: bool) -> None:
        """An engine replica has opened its channel. ``again``: it had one before and has lost it."""
        ...

    def channel_refused(self) -> None:
        """A connection was turned away: no proof, a wrong one, or one for another life of this gateway."""
        ...

    def channel_ended(self, reason: str) -> None:
        """An open channel has ended. ``reason``: ``closed``, ``silent``, ``protocol`` or ``superseded``."""
        ...

    def channels_open(self, count: int) -> None:
        """How many channels are open now."""
        ...

    def channel_traffic(self, *, received_bytes: int, sent_bytes: int, messages: int, frames: int) -> None:
        """What has passed since the last call: bytes of both directions, received messages and the frames in them."""
        ...

    def waiting(self, *, size_bytes: int, given_up: int) -> None:
        """What waits now for clients that don't read, and how many answers were given up for room since the last call."""
        ...

    def residency(self, *, replicas: int, hashes: int, gaps: int) -> None:
        """Replicas whose prefix caches are known, chain hashes that were told of, and gaps in the news since the last call."""
        ...


class SilentChannelObserver:
    """Reports nothing, for tools and tests that don't look."""

    def channel_connected(self, *, again: bool) -> None:
        return

    def channel_refused(self) -> None:
        return

    def channel_ended(self, reason: str) -> None:
        return

    def channels_open(self, count: int) -> None:
        return

    def channel_traffic(self, *, received_bytes: int, sent_bytes: int, messages: int, frames: int) -> None:
        return

    def waiting(self, *, size_bytes: int, given_up: int) -> None:
        return

    def residency(self, *, replicas: int, hashes: int, gaps: int) -> None:
        return
