"""The default :class:`~cluster.speech.contract.Recognizer`: PocketSphinx, in worker processes. English."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from cluster.speech.audio.pcm import check_whole_samples, ms_of, samples_of
from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import LISTENING_RATE_HZ, SAMPLE_RATE_HZ, Pcm, Transcript, Word
from cluster.speech.errors import AudioTooLong
from cluster.speech.listening import check_language
from cluster.speech.workers.frames import Kind
from cluster.speech.workers.pool import Job, WorkerPool

MODULE: Final = "cluster.speech.sphinx.worker"
LANGUAGES: Final = ("en",)
#: Audio goes to the worker in pieces of at least this: 100 ms.
_PIECE_BYTES: Final = 2 * LISTENING_RATE_HZ // 10


class SphinxRecognizer:
    """Each utterance holds a worker from its first audio to its end, so ``workers`` is how many people may speak at once."""

    def __init__(self, *, workers: int = 2, wait_s: float = 10.0, max_audio_s: float = 120.0) -> None:
        """``wait_s``: longest wait for a worker. ``max_audio_s``: longest utterance."""
        self._pool = WorkerPool(MODULE, size=workers, wait_s=wait_s)
        self._max_audio_s = max_audio_s

    @property
    def languages(self) -> Sequence[str]:
        return LANGUAGES

    async def start(self) -> None:
        """Start the workers.

        Raises:
            SpeechUnavailable: PocketSphinx is not installed.
        """
        await self._pool.start()

    async def stop(self) -> None:
        await self._pool.stop()

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return self._pool.pids

    async def check_health(self) -> None:
        await self._pool.check_health()

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> SphinxRecognition:
        """See the contract. ``prompt`` is not used: its words can't be added to the language model."""
        del prompt
        check_language(language, LANGUAGES)
        return SphinxRecognition(self._pool, rate_hz, self._max_audio_s, live=live)


class SphinxRecognition:
    """One utterance. What is fed goes to its worker in its own time; nothing here waits for the decoder but a transcript."""

    def __init__(self, pool: WorkerPool, rate_hz: int, max_audio_s: float, *, live: bool) -> None:
        self._pool = pool
        self._rate_hz = rate_hz
        self._max_samples = int(max_audio_s * rate_hz)
        self._resampler = Resampler(rate_hz, LISTENING_RATE_HZ)
        self._live = live
        self._samples = 0
        self._pending = bytearray()
        self._job: Job | None = None
        self._sender: asyncio.Task[None] | None = None
        self._settled: Transcript | None = None
        self._closed = False

    async def feed(self, pcm: Pcm) -> None:
        check_whole_samples(pcm)
        if self._closed:
            raise RuntimeError("fed after the end")
        self._samples += samples_of(pcm)
        if self._samples > self._max_samples:
            raise AudioTooLong(f"an utterance must not be longer than {self._max_samples / self._rate_hz:g} s", param="audio")
        if pcm:
            self._settled = None
        self._pending += self._resampler.push(pcm)
        if len(self._pending) >= _PIECE_BYTES and (self._sender is None or self._sender.done()):
            if self._sender is not None:
                self._sender.result()
            self._sender = asyncio.ensure_future(self._send())

    async def settle(self) -> Transcript:
        if self._settled is None:
            self._pending += self._resampler.end()
            self._resampler = Resampler(self._rate_hz, LISTENING_RATE_HZ)
            if self._sender is not None:
                await self._sender
            await self._send()
            self._settled = await self._recognized()
        return self._settled

    async def finish(self) -> Transcript:
        try:
            return await self.settle()
        finally:
            await self.close()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._job is not None:
            self._job.close()

    async def _send(self) -> None:
        """Give the worker all that has been fed. Waits for a free worker first."""
        while self._pending:
            if self._job is None:
                self._job = await self._pool.begin(json.dumps({"live": self._live}).encode())
            pcm = bytes(self._pending)
            self._pending.clear()
            await self._job.send(Kind.AUDIO, pcm)

    async def _recognized(self) -> Transcript:
        audio_ms = ms_of(self._samples, self._rate_hz)
        if self._job is None:
            return Transcript("", LANGUAGES[0], audio_ms)
        await self._job.send(Kind.SETTLE)
        _, payload = await self._job.receive()
        result = json.loads(payload)
        found = result["words"]
        words = tuple(Word(text, start, min(end, audio_ms), posterior or None) for text, start, end, posterior in found)
        return Transcript(
            text=" ".join(word.text for word in words),
            language=LANGUAGES[0],
            audio_ms=audio_ms,
            words=words,
            confidence=sum(word[3] for word in found) / len(found) if found else None,
            work_s=result["work_s"],
        )
