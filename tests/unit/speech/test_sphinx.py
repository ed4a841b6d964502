"""PocketSphinx, whose model is in its wheel."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cluster.errors import Overloaded
from cluster.speech.audio.pcm import as_int16, from_float
from cluster.speech.contract import Recognizer
from cluster.speech.errors import SpeechFailed
from cluster.speech.sphinx.recognizer import SphinxRecognizer
from tests.unit.speech.recognizer_conformance import RecognizerConformance, fed, recognized
from tests.unit.speech.sounds import STRAWBERRIES, noise, silence, strawberries

#: One recognizer for all: a decoder takes half a second to load.
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sphinx() -> AsyncIterator[SphinxRecognizer]:
    recognizer = SphinxRecognizer(workers=1, wait_s=60.0)
    await recognizer.start()
    yield recognizer
    await recognizer.stop()


class TestSphinx(RecognizerConformance):
    @pytest.fixture
    def recognizer(self, sphinx: SphinxRecognizer) -> Recognizer:
        return sphinx


@pytest.mark.parametrize("live", [True, False])
async def test_a_plain_sentence_is_understood(sphinx: SphinxRecognizer, live: bool) -> None:
    transcript = await recognized(sphinx, silence(0.3) + strawberries(), live=live)
    assert transcript.text == STRAWBERRIES
    assert transcript.language == "en"
    assert [word.text for word in transcript.words] == STRAWBERRIES.split()
    assert abs(transcript.words[-1].end_ms - 3_200) < 150


async def test_quiet_and_loud_speech_are_understood_alike(sphinx: SphinxRecognizer) -> None:
    samples = as_int16(strawberries()).astype(float) / 32768
    for gain in (0.1, 1.6):
        assert (await recognized(sphinx, silence(0.3) + from_float(gain * samples))).text == STRAWBERRIES


async def test_a_pause_inside_a_turn_cuts_no_word(sphinx: SphinxRecognizer) -> None:
    recognition = await fed(sphinx.open(), strawberries())
    assert (await recognition.settle()).text == STRAWBERRIES
    await fed(recognition, silence(0.3) + strawberries())
    both = await recognition.finish()
    assert both.text == f"{STRAWBERRIES} {STRAWBERRIES}"
    assert both.words[8].start_ms > both.words[7].end_ms >= 2_800


async def test_a_worker_killed_under_an_utterance_fails_it_alone(sphinx: SphinxRecognizer) -> None:
    recognition = await fed(sphinx.open(), strawberries())
    await asyncio.sleep(0.1)
    os.kill(sphinx.pids[0], signal.SIGKILL)
    with pytest.raises(SpeechFailed):
        await recognition.finish()
    assert (await recognized(sphinx, strawberries())).text == STRAWBERRIES


async def test_dropping_a_long_utterance_stops_its_decoding(sphinx: SphinxRecognizer) -> None:
    recognition = sphinx.open()
    await recognition.feed(noise(60, level=0.2))
    await asyncio.sleep(0.2)
    await recognition.close()
    (pid,) = sphinx.pids
    await recognized(sphinx, silence(0.1))
    assert sphinx.pids == [pid]  # and was not replaced for being stuck


async def test_who_finds_all_decoders_busy_is_told_to_come_back() -> None:
    recognizer = SphinxRecognizer(workers=1, wait_s=0.05)
    await recognizer.start()
    try:
        holder = await fed(recognizer.open(), strawberries())
        await asyncio.sleep(0.05)
        late = await fed(recognizer.open(), strawberries()[:24_000])
        with pytest.raises(Overloaded):
            await late.finish()
        await holder.close()
    finally:
        await recognizer.stop()


async def test_the_event_loop_is_free_while_it_decodes(sphinx: SphinxRecognizer) -> None:
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while True:
            begun_s = time.thread_time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.thread_time() - begun_s)

    watcher = asyncio.create_task(watch())
    await recognized(sphinx, strawberries())
    watcher.cancel()
    assert longest_s < 0.02
