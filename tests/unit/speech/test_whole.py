"""Utterances that are recognized whole: what is heard when, and that dropping one ends its work."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.speech.errors import SpeechFailed
from cluster.speech.whole import Heard, WholeUtterance
from tests.unit.speech.sounds import tone


class Ear:
    """Hears how long an utterance is, and may take for ever over it."""

    def __init__(self, *, forever: bool = False) -> None:
        self.heard: list[int] = []
        self.hears = asyncio.Event()
        self.dropped = 0
        self._forever = forever

    async def __call__(self, samples: NDArray[np.float32]) -> Heard:
        self.heard.append(len(samples))
        self.hears.set()
        try:
            if self._forever:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        return Heard(f"{len(samples)} samples", "en")


def utterance(ear: Ear) -> WholeUtterance:
    return WholeUtterance(ear, rate_hz=24_000, language=None, max_audio_s=5)


async def test_all_audio_is_heard_at_once_at_the_listeners_rate() -> None:
    ear = Ear()
    recognition = utterance(ear)
    await recognition.feed(tone(1))
    await recognition.feed(tone(1))
    transcript = await recognition.finish()
    assert (transcript.text, transcript.language, transcript.audio_ms) == ("32000 samples", "en", 2000)


async def test_what_was_settled_is_heard_again_only_after_more_audio() -> None:
    ear = Ear()
    recognition = utterance(ear)
    await recognition.feed(tone(1))
    await recognition.settle()
    await recognition.settle()
    await recognition.feed(b"")
    await recognition.settle()
    assert ear.heard == [16_000]
    await recognition.feed(tone(0.5))
    await recognition.finish()
    assert ear.heard == [16_000, 24_000]


async def test_closing_ends_the_work_and_whoever_waits_is_told() -> None:
    ear = Ear(forever=True)
    recognition = utterance(ear)
    await recognition.feed(tone(1))
    settling = asyncio.ensure_future(recognition.settle())
    await ear.hears.wait()
    await recognition.close()
    with pytest.raises(SpeechFailed):
        await settling
    assert ear.dropped == 1


async def test_cancelling_whoever_waits_ends_the_work() -> None:
    ear = Ear(forever=True)
    recognition = utterance(ear)
    await recognition.feed(tone(1))
    settling = asyncio.ensure_future(recognition.settle())
    await ear.hears.wait()
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert ear.dropped == 1
