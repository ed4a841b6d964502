"""Recognizers and synthesizers that do as they are told: they inject delays and faults that real ones have only now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.settings.speech import SpeechSettings
from cluster.identity.principal import Principal
from cluster.inference.accounting import RequestRecord
from cluster.routing.ticket import RouteTicket
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.contract import SAMPLE_RATE_HZ, SpokenChunk, TextMark, Transcript, VoiceInfo, Word
from cluster.speech.speaking import check_order
from cluster.spoken.audio_ids import AudioIds
from cluster.spoken.speech import Speech
from tests.unit.speech.sounds import tone

VOICES = (VoiceInfo("alloy", "a tone", "en"), VoiceInfo("echo", "a tone", "en"))
SECRET = b"a secret of thirty-two bytes, no less"
PIECE_S = 0.1
"""Audio of one piece, of which each word of a text has one."""


@dataclass
class FakeSynthesizer:
    """A tone of ``PIECE_S`` a word. ``error`` is raised after ``words`` of them; ``held`` lets none out before it is set."""

    voices: Sequence[VoiceInfo] = VOICES
    error: Exception | None = None
    words: int = 0
    held: asyncio.Event | None = None
    spoken: list[tuple[str, str, float]] = field(default_factory=list)
    closed: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        check_order(text, voice, speed, [known.id for known in self.voices], 4096)
        self.spoken.append((text, voice, speed))
        self.begun.set()
        try:
            for number, _ in enumerate(text.split()):
                if self.error is not None and number >= self.words:
                    raise self.error
                if self.held is not None:
                    await self.held.wait()
                yield SpokenChunk(tone(PIECE_S / speed), (TextMark(len(text), 1),))
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1


@dataclass
class FakeRecognition:
    recognizer: FakeRecognizer
    pcm: bytes = b""

    async def feed(self, pcm: bytes) -> None:
        self.pcm += pcm

    async def settle(self) -> Transcript:
        return await self.finish()

    async def finish(self) -> Transcript:
        recognizer = self.recognizer
        recognizer.begun.set()
        if recognizer.held is not None:
            await recognizer.held.wait()
        if recognizer.error is not None:
            raise recognizer.error
        text = recognizer.texts[min(recognizer.finished, len(recognizer.texts) - 1)]
        recognizer.finished += 1
        audio_ms = ms_of(samples_of(self.pcm))
        words = tuple(Word(word, 10 * at, 10 * at + 10, 0.9) for at, word in enumerate(text.split()))
        return Transcript(text, "en", audio_ms, words, 0.9 if words else None)

    async def close(self) -> None:
        self.recognizer.closed += 1


@dataclass
class FakeRecognizer:
    """Understands ``texts``, one an utterance, the last of them for ever."""

    texts: list[str] = field(default_factory=lambda: ["hello there"])
    languages: Sequence[str] = ("en",)
    error: Exception | None = None
    held: asyncio.Event | None = None
    opened: list[tuple[str | None, str | None]] = field(default_factory=list)
    finished: int = 0
    closed: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> FakeRecognition:
        assert not live
        self.opened.append((language, prompt))
        return FakeRecognition(self)


class FakeVad:
    """Hears speech in whatever is not silent."""

    def probabilities(self, frames: NDArray[np.float32]) -> list[float]:
        return [float(abs(frame).max() > 0.01) for frame in frames]

    def reset(self) -> None: ...


@dataclass
class RecordingRecorder:
    records: list[RequestRecord] = field(default_factory=list)
    in_progress: int = 0
    written: asyncio.Event = field(default_factory=asyncio.Event)

    def started(self, principal: Principal, model: str, edge: str) -> None:
        self.in_progress += 1

    def routed(self, model: str, ticket: RouteTicket) -> None: ...

    def retried(self, model: str, reason: str) -> None: ...

    def first_token(self, model: str, edge: str, seconds: float) -> None: ...

    async def finished(self, record: RequestRecord) -> None:
        self.in_progress -= 1
        self.records.append(record)
        self.written.set()


@dataclass
class CountingObserver:
    heard_s: float = 0.0
    spoken_s: float = 0.0
    firsts: list[str] = field(default_factory=list)

    def heard(self, surface: str, seconds: float) -> None:
        self.heard_s += seconds

    def spoke(self, surface: str, seconds: float) -> None:
        self.spoken_s += seconds

    def first_audio(self, surface: str, seconds: float) -> None:
        assert seconds >= 0
        self.firsts.append(surface)


@dataclass
class FakeSpeech:
    """What a gateway would have, in parts that a test can look into."""

    recognizer: FakeRecognizer = field(default_factory=FakeRecognizer)
    synthesizer: FakeSynthesizer = field(default_factory=FakeSynthesizer)
    recorder: RecordingRecorder = field(default_factory=RecordingRecorder)
    observer: CountingObserver = field(default_factory=CountingObserver)
    settings: SpeechSettings = field(default_factory=lambda: SpeechSettings(worker_wait_s=0.1))
    limit: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(8))
    request_timeout_s: float = 30.0
    hearing_models: tuple[str, ...] = ()
    audio_ids: AudioIds = field(default_factory=lambda: AudioIds.of(SECRET))

    def made(self) -> Speech:
        return Speech(
            recognizer=self.recognizer,
            synthesizer=self.synthesizer,
            vad=FakeVad,
            settings=self.settings,
            limit=self.limit,
            recorder=self.recorder,
            observer=self.observer,
            audio_ids=self.audio_ids,
            request_timeout_s=self.request_timeout_s,
            hearing_models=self.hearing_models,
        )
