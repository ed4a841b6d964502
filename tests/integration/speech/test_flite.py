"""Flite: needs Debian's libflite1 (``scripts/services.py speech``)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from cluster.errors import Overloaded
from cluster.speech.contract import Synthesizer
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.flite import synthesizer as module
from cluster.speech.flite.synthesizer import FliteSynthesizer
from tests.integration.speech.synthesizer_conformance import SynthesizerConformance, marks_of, pcm_of, spoken

pytestmark = pytest.mark.integration


@pytest.fixture
async def flite() -> AsyncIterator[FliteSynthesizer]:
    synthesizer = FliteSynthesizer(workers=1)
    await synthesizer.start()
    yield synthesizer
    await synthesizer.stop()


class TestFlite(SynthesizerConformance):
    @pytest.fixture
    def synthesizer(self, flite: FliteSynthesizer) -> Synthesizer:
        return flite


async def test_each_written_word_has_its_mark(flite: FliteSynthesizer) -> None:
    text = "I paid $3.50 to Dr. Smith (twice); 1,234 apples."
    ends = [mark.char_end for mark in marks_of(await spoken(flite, text))]
    words = ["I", " paid", " $3.50", " to", " Dr", " Smith", " (twice);", " 1,234", " apples."]
    reckoned = [len("".join(words[: count + 1])) + (1 if count >= 5 else 0) for count in range(len(words))]
    assert [end for end in reckoned if end in ends] == reckoned


async def test_a_worker_killed_under_an_utterance_fails_it_alone(flite: FliteSynthesizer) -> None:
    text = "This one is interrupted by force. " * 60
    chunks = flite.speak(text, voice="alloy")
    await anext(chunks)
    os.kill(flite.pids[0], signal.SIGKILL)
    with pytest.raises(SpeechFailed):
        async for _ in chunks:
            pass
    assert pcm_of(await spoken(flite, "The next one is served."))


async def test_an_idle_worker_that_died_is_replaced_unnoticed(flite: FliteSynthesizer) -> None:
    expected = marks_of(await spoken(flite, "Hello."))
    before = flite.pids
    os.kill(before[0], signal.SIGKILL)
    await asyncio.sleep(0.5)  # the pool learns of it from the event loop
    assert marks_of(await spoken(flite, "Hello.")) == expected
    assert flite.pids != before


async def test_the_event_loop_is_free_while_flite_works(flite: FliteSynthesizer) -> None:
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while True:
            begun_s = time.thread_time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.thread_time() - begun_s)

    watcher = asyncio.create_task(watch())
    await spoken(flite, "A sentence of some length, spoken while the loop does other things. " * 3)
    watcher.cancel()
    assert longest_s < 0.02


async def test_workers_end_with_their_owner(flite: FliteSynthesizer) -> None:
    pid = flite.pids[0]
    await flite.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SpeechUnavailable):
        await flite.check_health()


async def test_a_full_house_is_told_to_come_back() -> None:
    synthesizer = FliteSynthesizer(workers=1, wait_s=0.05)
    await synthesizer.start()
    try:
        os.kill(synthesizer.pids[0], signal.SIGSTOP)
        waiting = asyncio.create_task(spoken(synthesizer, "One."))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded) as refused:
            await spoken(synthesizer, "Two.")
        assert refused.value.retry_after_s
        os.kill(synthesizer.pids[0], signal.SIGCONT)
        assert await waiting
    finally:
        await synthesizer.stop()


async def test_a_missing_library_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MODULE", "tests.integration.speech.fake_machine_without_flite")
    with pytest.raises(SpeechUnavailable, match="libflite1"):
        await FliteSynthesizer().start()
