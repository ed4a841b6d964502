"""Recordings to text: cut where nobody speaks, each piece recognized by itself.

A recognizer takes an utterance at a time, and a recording may be long; the cuts are also the segments that subtitles are made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final

from cluster.speech.audio.pcm import at_ms, ms_of, samples_of
from cluster.speech.contract import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE_HZ,
    Pcm,
    Recognizer,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    VoiceActivityDetector,
)
from cluster.speech.turns.detector import TurnDetector
from cluster.speech.turns.settings import ServerVad

#: A pause that long ends a segment: between sentences, not between words.
PAUSE: Final = ServerVad(silence_duration_ms=400, prefix_padding_ms=200)
#: Segments are cut here though somebody speaks: recognizers get slow and forgetful.
MAX_SEGMENT_MS: Final = 30_000
#: How much audio is looked at in one go, on a thread.
_STEP_BYTES: Final = 10 * SAMPLE_RATE_HZ * BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording with speech in it, in ms."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch and its transcript, whose words count from the beginning of the recording."""

    span: Span
    transcript: Transcript


async def speech_in(pcm: Pcm, vad: VoiceActivityDetector, *, pause: ServerVad = PAUSE) -> list[Span]:
    """The stretches of 24 kHz audio that hold speech, in order, none longer than :data:`MAX_SEGMENT_MS`."""
    detector = TurnDetector(vad, pause)
    spans: list[Span] = []
    started_ms: int | None = None
    for at in range(0, len(pcm), _STEP_BYTES):
        for event in await asyncio.to_thread(detector.feed, pcm[at : at + _STEP_BYTES]):
            if isinstance(event, SpeechStarted):
                started_ms = event.at_ms
            elif isinstance(event, SpeechStopped) and started_ms is not None:
                spans += _cut(started_ms, event.at_ms)
                started_ms = None
    if started_ms is not None:
        spans += _cut(started_ms, ms_of(samples_of(pcm)))
    return spans


async def transcribe(
    recognizer: Recognizer,
    pcm: Pcm,
    vad: VoiceActivityDetector,
    *,
    language: str | None = None,
    prompt: str | None = None,
    pause: ServerVad = PAUSE,
) -> AsyncGenerator[Segment, None]:
    """The segments of 24 kHz audio as they are recognized; those without a word are left out. ``pause``: what ends one.

    Raises:
        InvalidRequest: ``language`` is none that the recognizer understands.
        SpeechFailed: the recognizer broke.
        Overloaded: no decoder came free in time.
    """
    for span in await speech_in(pcm, vad, pause=pause):
        recognition = recognizer.open(language=language, prompt=prompt, live=False)
        try:
            await recognition.feed(pcm[2 * at_ms(span.start_ms) : 2 * at_ms(span.end_ms)])
            transcript = await recognition.finish()
        finally:
            await recognition.close()
        if transcript.text:
            yield Segment(span, _moved(transcript, span.start_ms))


def joined(segments: list[Segment], audio_ms: int) -> Transcript:
    """The transcript of the whole recording."""
    known = [(segment.transcript.confidence, segment.transcript.audio_ms) for segment in segments]
    work_s = [segment.transcript.work_s for segment in segments if segment.transcript.work_s is not None]
    weighed = [(confidence, weight) for confidence, weight in known if confidence is not None]
    return Transcript(
        text=" ".join(segment.transcript.text for segment in segments),
        language=next((segment.transcript.language for segment in segments), None),
        audio_ms=audio_ms,
        words=tuple(word for segment in segments for word in segment.transcript.words),
        confidence=sum(confidence * weight for confidence, weight in weighed) / max(sum(weight for _, weight in weighed), 1)
        if weighed
        else None,
        work_s=sum(work_s) if work_s else None,
    )


def _cut(start_ms: int, end_ms: int) -> list[Span]:
    starts = range(start_ms, end_ms, MAX_SEGMENT_MS)
    return [Span(start, min(start + MAX_SEGMENT_MS, end_ms)) for start in starts]


def _moved(transcript: Transcript, by_ms: int) -> Transcript:
    words = tuple(replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms) for word in transcript.words)
    return replace(transcript, words=words)
