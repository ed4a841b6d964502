"""The default :class:`~cluster.speech.contract.Synthesizer`: flite, in worker processes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from cluster.speech.audio.pcm import samples_of
from cluster.speech.audio.resample import Resampler
from cluster.speech.contract import SAMPLE_RATE_HZ, SpokenChunk, TextMark, VoiceInfo
from cluster.speech.flite.library import RATE_HZ
from cluster.speech.flite.voices import PRESETS, VOICES, Preset
from cluster.speech.speaking import check_order
from cluster.speech.text.clauses import MIN_CHARS, clauses
from cluster.speech.text.spoken import SpokenForm, spoken_form
from cluster.speech.workers.frames import Kind
from cluster.speech.workers.pool import WorkerPool

MODULE: Final = "cluster.speech.flite.worker"


class FliteSynthesizer:
    """Synthesis is some 60 times faster than speech, so few workers serve many sessions: each is held for one clause at a time."""

    def __init__(self, *, workers: int = 1, wait_s: float = 10.0, max_chars: int = 4096) -> None:
        """``wait_s``: longest wait for a worker. ``max_chars``: longest text of one :meth:`speak`."""
        voices = sorted({preset.flite for preset in PRESETS.values()})
        self._pool = WorkerPool(MODULE, voices, size=workers, wait_s=wait_s)
        self._max_chars = max_chars

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return VOICES

    async def start(self) -> None:
        """Start the workers.

        Raises:
            SpeechUnavailable: flite is not installed; the message says how to.
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

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        check_order(text, voice, speed, PRESETS, self._max_chars)
        chars = samples = 0
        for clause in clauses(text, first_min_chars=MIN_CHARS):
            form = spoken_form(clause, ascii_only=True)
            if form.has_sound:
                async with aclosing(self._clause(form, PRESETS[voice], speed, TextMark(chars, samples))) as chunks:
                    async for chunk in chunks:
                        samples += samples_of(chunk.pcm)
                        yield chunk
            chars += len(clause)
            yield SpokenChunk(b"", (TextMark(chars, samples),))

    async def _clause(self, form: SpokenForm, preset: Preset, speed: float, base: TextMark) -> AsyncGenerator[SpokenChunk, None]:
        """One clause that begins at ``base`` of its utterance."""
        order = {"text": form.text, "voice": preset.flite, "pitch": preset.pitch, "length": preset.length / speed}
        resampler = Resampler(RATE_HZ, SAMPLE_RATE_HZ)
        waiting: list[TextMark] = []
        samples = base.sample_end
        job = await self._pool.begin(json.dumps(order).encode())
        try:
            while True:
                kind, payload = await job.receive()
                if kind is Kind.MARKS:
                    waiting = [
                        TextMark(base.char_end + form.written_end(end), base.sample_end + sample * SAMPLE_RATE_HZ // RATE_HZ)
                        for end, sample in json.loads(payload)
                    ]
                    continue
                last = kind is not Kind.AUDIO
                pcm = resampler.end() if last else resampler.push(payload)
                samples += samples_of(pcm)
                # Flite reckons the last words of some voices to end after their audio: they are heard with the end of it.
                marks = [TextMark(m.char_end, min(m.sample_end, samples)) for m in waiting if last or m.sample_end <= samples]
                waiting = waiting[len(marks) :]
                if pcm or marks:
                    yield SpokenChunk(pcm, tuple(marks))
                if last:
                    return
        finally:
            job.close()
