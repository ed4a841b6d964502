"""An utterance for recognizers that take it whole: its audio is kept until its text is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.speech.audio.pcm import as_float, check_whole_samples, ms_of, samples_of
from cluster.speech.audio.resample import resample
from cluster.speech.contract import LISTENING_RATE_HZ, Pcm, Transcript
from cluster.speech.errors import AudioTooLong, SpeechFailed


@dataclass(frozen=True, slots=True)
class Heard:
    """``language``: ISO 639-1, None where it was neither told nor detected."""

    text: str
    language: str | None


#: The text of all samples of an utterance, shape (n,), in [-1, 1]. Cancelling it stops the work.
Hear: TypeAlias = Callable[[NDArray[np.float32]], Awaitable[Heard]]


class WholeUtterance:
    """A :class:`~cluster.speech.contract.Recognition` that has all of its work when it settles."""

    def __init__(
        self, hear: Hear, *, rate_hz: int, language: str | None, max_audio_s: float, listening_hz: int = LISTENING_RATE_HZ
    ) -> None:
        """``rate_hz``: of the audio that is fed; ``listening_hz``: of the samples that ``hear`` is given."""
        self._hear = hear
        self._rate_hz = rate_hz
        self._listening_hz = listening_hz
        self._language = language
        self._max_samples = int(max_audio_s * rate_hz)
        self._pcm = bytearray()
        self._settled: Transcript | None = None
        self._work: asyncio.Future[Heard] | None = None
        self._closed = False

    async def feed(self, pcm: Pcm) -> None:
        check_whole_samples(pcm)
        if self._closed:
            raise RuntimeError("fed after the end")
        if samples_of(self._pcm) + samples_of(pcm) > self._max_samples:
            raise AudioTooLong(f"an utterance must not be longer than {self._max_samples / self._rate_hz:g} s", param="audio")
        if pcm:
            self._settled = None
        self._pcm += pcm

    async def settle(self) -> Transcript:
        if self._settled is None:
            pcm = bytes(self._pcm)
            began = time.perf_counter()
            heard = await self._heard(pcm) if pcm else Heard("", self._language)
            work_s = time.perf_counter() - began if pcm else None
            self._settled = Transcript(heard.text, heard.language, ms_of(samples_of(pcm), self._rate_hz), work_s=work_s)
        return self._settled

    async def finish(self) -> Transcript:
        try:
            return await self.settle()
        finally:
            await self.close()

    async def close(self) -> None:
        self._closed = True
        self._pcm.clear()
        if self._work is not None:
            self._work.cancel()

    async def _heard(self, pcm: Pcm) -> Heard:
        self._work = asyncio.ensure_future(self._hear_all(pcm))
        try:
            return await self._work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._closed or (task is not None and task.cancelling()):
                raise
            raise SpeechFailed("the utterance was dropped") from None
        finally:
            self._work = None

    async def _hear_all(self, pcm: Pcm) -> Heard:
        return await self._hear(await asyncio.to_thread(lambda: as_float(resample(pcm, self._rate_hz, self._listening_hz))))
