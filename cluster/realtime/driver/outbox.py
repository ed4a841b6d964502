"""Events that wait for their client to take them."""

from __future__ import annotations

import asyncio
from collections import deque

from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.server_events import ServerEvent

_EVENT_BYTES = 1024
"""What an event without audio counts for."""
_HARD = 4
"""As many times the high water mark, nothing more is read from the client either: it makes events, too."""


class Outbox:
    """In order, and never blocking the session: a slow client holds back the work that makes more, not the events that stop it.

    Belongs to one event loop and has one reader. ``high_water_bytes``: beyond it nothing new is made for this client.
    """

    def __init__(self, high_water_bytes: int) -> None:
        self._high_water_bytes = high_water_bytes
        self._waiting: deque[ServerEvent] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._any_room = asyncio.Event()
        self._any_room.set()
        self._closed = False

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def put(self, event: ServerEvent) -> None:
        if self._closed:
            return
        self._waiting.append(event)
        self._count(_size(event))
        self._filled.set()

    def drop_audio(self, response_id: str) -> None:
        """Forget the audio of a response that has not been taken yet."""
        dropped = [event for event in self._waiting if _is_audio_of(event, response_id)]
        if dropped:
            self._waiting = deque(event for event in self._waiting if not _is_audio_of(event, response_id))
            self._count(-sum(_size(event) for event in dropped))

    async def room(self) -> None:
        """Wait until the client has taken enough."""
        await self._room.wait()

    async def any_room(self) -> None:
        """Wait until it is not altogether full. An interruption must be heard while much audio waits to be sent."""
        await self._any_room.wait()

    async def take(self) -> ServerEvent | None:
        """The next event; ``None`` when there will be no more."""
        while not self._waiting:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        event = self._waiting.popleft()
        self._count(-_size(event))
        return event

    def close(self) -> None:
        """What waits can still be taken; nothing comes after it."""
        self._closed = True
        self._filled.set()
        self._room.set()
        self._any_room.set()

    def _count(self, change: int) -> None:
        self._bytes += change
        for limit, room in ((self._high_water_bytes, self._room), (_HARD * self._high_water_bytes, self._any_room)):
            if self._bytes > limit and not self._closed:
                room.clear()
            else:
                room.set()


def _size(event: ServerEvent) -> int:
    return _EVENT_BYTES + (len(event.delta) if isinstance(event, events.AudioDelta) else 0)


def _is_audio_of(event: ServerEvent, response_id: str) -> bool:
    return isinstance(event, events.AudioDelta) and event.response_id == response_id
