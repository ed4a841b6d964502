"""Files made piece by piece, off the event loop where that is work: a second of Opus takes some 30 ms of a processor."""

from __future__ import annotations

from typing import Final

from cluster.speech.audio.files import FileEncoder, FileFormat
from cluster.speech.contract import Pcm
from cluster.spoken.threads import on_thread

_BARE: Final = frozenset({FileFormat.PCM, FileFormat.WAV})


class PieceEncoder:
    """The pieces of :meth:`push` and :meth:`end` in a row are the file. One call at a time."""

    def __init__(self, kind: FileFormat) -> None:
        self._encoder = FileEncoder(kind)
        self._bare = kind in _BARE

    async def push(self, pcm: Pcm) -> bytes:
        return self._encoder.push(pcm) if self._bare else await on_thread(self._encoder.push, pcm)

    async def end(self) -> bytes:
        return self._encoder.end() if self._bare else await on_thread(self._encoder.end)
