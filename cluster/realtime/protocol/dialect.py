"""The two languages that clients speak. Inside there is only one."""

from __future__ import annotations

from typing import Protocol

from cluster.realtime.protocol import decoding, server_events
from cluster.realtime.protocol.beta import incoming, outgoing
from cluster.realtime.protocol.client_events import ClientEvent
from cluster.realtime.protocol.server_events import ServerEvent


class Dialect(Protocol):
    @property
    def name(self) -> str: ...

    def decode(self, frame: bytes | str) -> ClientEvent:
        """Raises :class:`~cluster.realtime.protocol.errors.EventRefused`."""
        ...

    def encode(self, event: ServerEvent) -> list[bytes]:
        """The frames for an event: one, or none where the dialect has no such event."""
        ...


class GaDialect:
    """The protocol as it has been since August 2025."""

    name = "ga"

    def decode(self, frame: bytes | str) -> ClientEvent:
        return decoding.decode(frame)

    def encode(self, event: ServerEvent) -> list[bytes]:
        return [server_events.encode(event)]


class BetaDialect:
    """The protocol of October 2024, which clients ask for with ``OpenAI-Beta: realtime=v1``."""

    name = "beta"

    def decode(self, frame: bytes | str) -> ClientEvent:
        return incoming.decode(frame)

    def encode(self, event: ServerEvent) -> list[bytes]:
        return outgoing.encode(event)


GA: Dialect = GaDialect()
BETA: Dialect = BetaDialect()
