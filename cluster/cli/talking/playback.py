"""What is to be played, in order, and how much of it has been heard."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

BYTES_PER_MS = 48
"""Of the audio everywhere here: 16-bit little-endian mono at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer whose playback was stopped: which part of which item, and after how much of its audio."""

    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(slots=True)
class _Part:
    """``waiting``: audio that is not played yet. ``complete``: nothing more will come."""

    item_id: str
    content_index: int
    waiting: bytearray
    played_bytes: int = 0
    complete: bool = False


class Playback:
    """Filled by the conversation, emptied by whatever plays. A sound card does that from a thread of its own: all of it is locked.

    ``delay_ms``: how long after :meth:`pull` a sound is heard.
    """

    def __init__(self, delay_ms: int = 0) -> None:
        self.delay_ms = delay_ms
        self._lock = threading.Lock()
        self._parts: deque[_Part] = deque()
        self._stopped: set[str] = set()

    def push(self, item_id: str, content_index: int, pcm: bytes) -> None:
        """Audio to play after all that waits. Of an item that was stopped it is dropped: it was on its way then."""
        with self._lock:
            if item_id in self._stopped:
                return
            last = self._parts[-1] if self._parts else None
            if last is None or (last.item_id, last.content_index) != (item_id, content_index):
                last = _Part(item_id, content_index, bytearray())
                self._parts.append(last)
            last.waiting += pcm

    def finish(self, item_id: str, content_index: int) -> None:
        """No more audio of this part will come."""
        with self._lock:
            for part in self._parts:
                if (part.item_id, part.content_index) == (item_id, content_index):
                    part.complete = True
            self._drop_played()

    def pull(self, size_bytes: int) -> bytes:
        """The next audio to play, at most that much; less, also nothing, when less is there."""
        pulled = bytearray()
        with self._lock:
            for part in self._parts:
                piece = bytes(part.waiting[: size_bytes - len(pulled)])
                del part.waiting[: len(piece)]
                part.played_bytes += len(piece)
                pulled += piece
                if part.waiting or not part.complete:
                    # What comes later of this part is played before the next one.
                    break
            self._drop_played()
        return bytes(pulled)

    def flush(self) -> list[Cut]:
        """Stop at once. Returns what has not been heard to its end."""
        with self._lock:
            cuts, delay_ms = [], self.delay_ms
            for part in self._parts:
                heard_ms = max(0, part.played_bytes // BYTES_PER_MS - delay_ms)
                cuts.append(Cut(part.item_id, part.content_index, heard_ms))
                self._stopped.add(part.item_id)
                delay_ms = 0
            self._parts.clear()
            return cuts

    @property
    def idle(self) -> bool:
        """Whether everything has been played."""
        with self._lock:
            return not self._parts

    def _drop_played(self) -> None:
        while self._parts and self._parts[0].complete and not self._parts[0].waiting:
            self._parts.popleft()
