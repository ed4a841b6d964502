"""Spans as the cluster's code sees them. Off, or for a request that isn't sampled, all of it does nothing.

Whether a request is traced is decided once, where it comes in; whatever works on it then goes on from the span that it is given.
Attributes hold ids, counts, times and names that the cluster has made or checked, never text of a prompt, an answer or a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol

Value = str | bool | int | float


class Kind(Enum):
    """OpenTelemetry's kinds of spans, those that occur here."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"


class Span(Protocol):
    """One timed piece of work. Times are Unix nanoseconds; without one it is now."""

    @property
    def recorded(self) -> bool:
        """Whether anything said of it gets anywhere. For work that only spans need."""
        ...

    @property
    def traceparent(self) -> str | None:
        """What another process needs to go on with it; ``None`` when it isn't recorded."""
        ...

    def child(self, name: str, kind: Kind = Kind.INTERNAL, *, began_ns: int | None = None) -> Span: ...

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Add attributes; those of ``None`` are left out."""
        ...

    def event(self, name: str) -> None:
        """Something has happened now."""
        ...

    def failed(self, code: str) -> None:
        """It didn't do what it should. ``code`` is one of a bounded set, not a message."""
        ...

    def end(self, at_ns: int | None = None) -> None:
        """Only the first call counts."""
        ...


class Tracer(Protocol):
    """Where spans of a process begin."""

    @property
    def on(self) -> bool: ...

    def begin(self, name: str, kind: Kind, caller: str | None = None) -> Span:
        """A request or a job has come in. ``caller``: the ``traceparent`` that it brought, as it was sent, whoever sent it."""
        ...

    def resume(self, name: str, kind: Kind, traceparent: str) -> Span:
        """Another process of the cluster has handed this on: it is recorded."""
        ...

    async def close(self) -> None:
        """Send what waits, for a bounded time. Idempotent."""
        ...


class NoSpan:
    """The span of whatever isn't traced."""

    recorded: Final = False
    traceparent: Final = None

    def child(self, name: str, kind: Kind = Kind.INTERNAL, *, began_ns: int | None = None) -> Span:
        return self

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        return

    def event(self, name: str) -> None:
        return

    def failed(self, code: str) -> None:
        return

    def end(self, at_ns: int | None = None) -> None:
        return


NO_SPAN: Final[Span] = NoSpan()


class Untraced:
    """The tracer of a process that traces nothing."""

    on: Final = False

    def begin(self, name: str, kind: Kind, caller: str | None = None) -> Span:
        return NO_SPAN

    def resume(self, name: str, kind: Kind, traceparent: str) -> Span:
        return NO_SPAN

    async def close(self) -> None:
        return


UNTRACED: Final[Tracer] = Untraced()
