"""Answers whose clients asked for them to be kept (``store: true``): what a stream says is remembered, and handed over at its end.

Requests that did not ask pay one comparison.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from cluster.completions.capture import Asked
from cluster.engine.contract import Frame
from cluster.identity.principal import Principal
from cluster.inference.attempt import Opened
from cluster.inference.usage import Usage
from cluster.relay.contract import EngineStream, Outlet


class Warned(Protocol):
    """Why an answer was not kept."""

    def to_json(self) -> bytes: ...


class Kept(Protocol):
    """An answer on its way to the disk."""

    async def outcome(self) -> Warned | None:
        """``None`` once it is there. Never raises."""
        ...


class Keeper(Protocol):
    """What keeps answers; :class:`~cluster.completions.keeper.CompletionKeeper` does."""

    @property
    def max_stream_bytes(self) -> int:
        """How much of a stream is worth remembering."""
        ...

    def keep(
        self,
        principal: Principal,
        *,
        completion_id: str,
        request_id: str,
        model: str,
        asked: Asked,
        answer: bytes | list[bytes] | None,
        usage: bytes,
    ) -> Kept:
        """Take a finished answer; never waits, never raises. ``answer``: a body, a stream's chunks, ``None`` for too much."""
        ...


@dataclass(frozen=True, slots=True)
class ToKeep:
    """A request that asked for it."""

    keeper: Keeper
    asked: Asked
    principal: Principal
    completion_id: str
    request_id: str
    model: str

    def keep(self, answer: bytes | list[bytes] | None, usage: Usage) -> Kept:
        """To be called before the request is accounted for, so that both are written at once."""
        return self.keeper.keep(
            self.principal,
            completion_id=self.completion_id,
            request_id=self.request_id,
            model=self.model,
            asked=self.asked,
            answer=answer,
            usage=usage.to_json(),
        )


class Remembered:
    """Stands between a stream and its reader, and remembers the payloads of all frames, whichever way they take."""

    def __init__(self, opened: Opened, to_keep: ToKeep) -> None:
        self._opened = opened
        self._to_keep = to_keep
        self._chunks: list[bytes] | None = []
        self._size_bytes = 0
        self._remember(opened.first.payloads)

    def opened(self) -> Opened:
        """The stream to read instead."""
        return Opened(_Tapped(self._opened.stream, self), self._frames(), self._opened.first)

    def keep(self, usage: Usage) -> Kept:
        """The answer is complete."""
        return self._to_keep.keep(self._chunks, usage)

    async def _frames(self) -> AsyncIterator[Frame]:
        async for frame in self._opened.frames:
            self._remember(frame.payloads)
            yield frame

    def _remember(self, payloads: list[bytes]) -> None:
        if self._chunks is None:
            return
        self._chunks += payloads
        self._size_bytes += sum(map(len, payloads))
        if self._size_bytes > self._to_keep.keeper.max_stream_bytes:
            self._chunks = None

    def tapped(self, outlet: Outlet) -> Outlet:
        def take(payloads: list[bytes]) -> bool:
            # What the outlet does not take is iterated, and remembered then.
            taken = outlet(payloads)
            if taken:
                self._remember(payloads)
            return taken

        return take


class _Tapped:
    """Implements :class:`~cluster.relay.contract.EngineStream` over another whose frames are read elsewhere."""

    def __init__(self, stream: EngineStream, remembered: Remembered) -> None:
        self._stream = stream
        self._remembered = remembered

    def __aiter__(self) -> AsyncIterator[Frame]:
        return aiter(self._stream)

    def flow(self, outlet: Outlet) -> None:
        self._stream.flow(self._remembered.tapped(outlet))

    async def cancel(self) -> None:
        await self._stream.cancel()
