"""One answer's voice: its clauses, one after the other."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.contract import Pcm, Synthesizer
from cluster.speech.tokens import spoken_tokens, text_tokens
from cluster.spoken.account import Account
from cluster.spoken.clock import deadline_in, until
from cluster.spoken.speech import SpeechObserver

_SURFACE = "chat"


class AnswerVoice:
    """``timeout_s``: longest wait for one clause, of which each has its own."""

    def __init__(self, synthesizer: Synthesizer, name: str, observer: SpeechObserver, timeout_s: float) -> None:
        self._synthesizer = synthesizer
        self._name = name
        self._observer = observer
        self._timeout_s = timeout_s
        self._samples = 0
        self._began: float | None = None

    @property
    def audio_ms(self) -> int:
        """All audio so far."""
        return ms_of(self._samples)

    def begin(self) -> None:
        """The first words of the answer are there."""
        if self._began is None:
            self._began = time.perf_counter()

    async def speak(self, clause: str) -> AsyncGenerator[Pcm, None]:
        """Its audio as it is made. Raises what the synthesizer does, and :class:`~cluster.errors.DeadlineExceeded`."""
        self.begin()
        chunks = self._synthesizer.speak(clause, voice=self._name)
        async with aclosing(until(deadline_in(self._timeout_s), chunks)) as timely:
            async for chunk in timely:
                if chunk.pcm:
                    if not self._samples and self._began is not None:
                        self._observer.first_audio(_SURFACE, time.perf_counter() - self._began)
                    self._samples += samples_of(chunk.pcm)
                    yield chunk.pcm

    def book(self, account: Account, text: str) -> None:
        """``text``: all that was spoken."""
        self._observer.spoke(_SURFACE, self.audio_ms / 1000)
        account.input_tokens = text_tokens(text)
        account.output_tokens = spoken_tokens(self.audio_ms)
