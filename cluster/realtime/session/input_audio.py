"""Audio that the user has sent and nobody has committed yet, by its position in all audio of the session."""

from __future__ import annotations

from collections import deque

from cluster.realtime.protocol.audio import BYTES_PER_MS


class InputAudio:
    """Positions are milliseconds, or bytes where a name says so, from the first audio that the session was ever sent."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._start_bytes = 0
        self._end_bytes = 0

    @property
    def start_ms(self) -> int:
        """Where the buffer begins: what was before is committed, cleared or forgotten."""
        return self._start_bytes // BYTES_PER_MS

    @property
    def end_ms(self) -> int:
        """All audio ever sent."""
        return self._end_bytes // BYTES_PER_MS

    @property
    def start_bytes(self) -> int:
        return self._start_bytes

    @property
    def end_bytes(self) -> int:
        return self._end_bytes

    @property
    def size_bytes(self) -> int:
        return self._end_bytes - self._start_bytes

    def append(self, pcm: bytes) -> None:
        if pcm:
            self._chunks.append(pcm)
            self._end_bytes += len(pcm)

    def clear(self) -> None:
        self._chunks.clear()
        self._start_bytes = self._end_bytes

    def forget(self, before_ms: int) -> None:
        """Drop what lies before a position."""
        self._drop(min(before_ms * BYTES_PER_MS, self._end_bytes))

    def since(self, from_bytes: int) -> bytes:
        """What is held from a position on."""
        if self._chunks and from_bytes == self._end_bytes - len(self._chunks[-1]):
            return self._chunks[-1]
        return b"".join(self._chunks)[max(0, from_bytes - self._start_bytes) :]

    def take(self, from_ms: int, to_ms: int) -> bytes:
        """The audio between two positions, as far as it is held. It leaves the buffer, with all that lies before it."""
        self._drop(min(from_ms * BYTES_PER_MS, self._end_bytes))
        count = max(0, min(to_ms * BYTES_PER_MS, self._end_bytes) - self._start_bytes)
        taken = b"".join(self._chunks)[:count]
        self._drop(self._start_bytes + count)
        return taken

    def take_all(self) -> bytes:
        taken = b"".join(self._chunks)
        self.clear()
        return taken

    def _drop(self, until_bytes: int) -> None:
        while self._chunks and self._start_bytes + len(self._chunks[0]) <= until_bytes:
            self._start_bytes += len(self._chunks.popleft())
        if self._chunks and self._start_bytes < until_bytes:
            cut = until_bytes - self._start_bytes
            self._chunks[0] = self._chunks[0][cut:]
            self._start_bytes = until_bytes
