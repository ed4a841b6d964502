from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from cluster.speech.silero.model import SileroModel, SileroVad
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from cluster.speech.transcription import segments as module
from cluster.speech.transcription.segments import joined, speech_in, transcribe
from tests.unit.speech.sounds import STRAWBERRIES, silence, strawberries, tone


@cache
def network() -> SileroModel:
    return SileroModel()


async def test_speech_is_found_and_what_lies_between_is_not() -> None:
    pcm = silence(1) + strawberries() + silence(2) + strawberries() + silence(1)
    first, second = await speech_in(pcm, SileroVad(network()))
    assert 600 <= first.start_ms <= 1_100
    assert 3_800 <= first.end_ms <= 4_700
    assert 5_600 <= second.start_ms <= 6_200
    assert 8_900 <= second.end_ms <= 10_100


async def test_speech_at_the_very_end_is_not_lost() -> None:
    (only,) = await speech_in(strawberries(), SileroVad(network()))
    assert only.end_ms == 3_043


async def test_without_speech_there_are_no_segments() -> None:
    assert await speech_in(silence(3) + tone(1), SileroVad(network())) == []
    assert await speech_in(b"", SileroVad(network())) == []


async def test_long_speech_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SEGMENT_MS", 1_000)
    spans = await speech_in(strawberries(), SileroVad(network()))
    assert len(spans) >= 3
    assert all(span.end_ms - span.start_ms <= 1_000 for span in spans)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(spans))


async def test_a_recording_becomes_the_text_of_its_segments() -> None:
    pcm = silence(1) + strawberries() + silence(2) + strawberries() + silence(1)
    recognizer = SphinxRecognizer(workers=1, wait_s=60)
    await recognizer.start()
    try:
        segments = [segment async for segment in transcribe(recognizer, pcm, SileroVad(network()))]
    finally:
        await recognizer.stop()
    assert [segment.transcript.text for segment in segments] == [STRAWBERRIES, STRAWBERRIES]
    whole = joined(segments, 10_087)
    assert whole.text == f"{STRAWBERRIES} {STRAWBERRIES}"
    assert whole.language == "en"
    starts = [word.start_ms for word in whole.words]
    assert starts == sorted(starts)
    assert 1_000 <= starts[0] <= 1_300
    assert 5_900 <= starts[8] <= 6_400
    assert whole.confidence is not None
