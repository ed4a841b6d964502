"""Recognition by a real vLLM engine, with a Whisper of random weights (``models/speech/whisper.py``).

It writes nonsense, always the same for the same sound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.errors import Overloaded
from cluster.speech.contract import Recognizer
from cluster.speech.errors import SpeechFailed, SpeechUnavailable
from cluster.speech.vllm.recognizer import VllmRecognizer, engine_settings
from models.speech import whisper
from tests.integration.speech.vllm_engine import ENGINE, started
from tests.unit.speech.recognizer_conformance import RecognizerConformance, fed, recognized
from tests.unit.speech.sounds import noise, silence, strawberries, tone

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper.make(tmp_path_factory.mktemp("models") / "whisper", all_languages=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(folder: Path) -> AsyncIterator[VllmRecognizer]:
    async with started(folder) as recognizer:
        yield recognizer


class TestVllm(RecognizerConformance):
    @pytest.fixture
    def recognizer(self, tiny: VllmRecognizer) -> Recognizer:
        return tiny


async def test_a_started_engine_is_healthy(tiny: VllmRecognizer) -> None:
    await tiny.check_health()


async def test_the_model_hears_what_it_is_given(tiny: VllmRecognizer) -> None:
    sounds = [strawberries(), noise(2, level=0.5), noise(1, level=0.01), tone(2)]
    texts = [(await recognized(tiny, sound)).text for sound in sounds]
    assert len(set(texts)) > 1
    assert texts == [(await recognized(tiny, sound)).text for sound in sounds]


async def test_a_language_is_told_or_detected(tiny: VllmRecognizer) -> None:
    assert {"en", "de", "fr"} <= set(tiny.languages)
    told = await (await fed(tiny.open(language="de-AT"), strawberries())).finish()
    assert told.language == "de"
    detected = await recognized(tiny, strawberries())
    assert detected.language in tiny.languages


async def test_words_to_expect_reach_the_model(tiny: VllmRecognizer) -> None:
    texts = set()
    for prompt in (None, "Erdbeeren", "<|de|><|translate|>", "vierhundert " * 500):
        recognition = await fed(tiny.open(language="de", prompt=prompt), strawberries())
        texts.add((await recognition.finish()).text)
    assert len(texts) > 1


async def test_an_utterance_longer_than_the_models_window_is_heard_in_pieces(tiny: VllmRecognizer) -> None:
    recognition = tiny.open(language="en")
    await recognition.feed(noise(65, level=0.3))
    transcript = await recognition.finish()
    assert transcript.audio_ms == 65_000
    first = tiny.open(language="en")
    await first.feed(noise(65, level=0.3)[: 29 * 48_000])
    assert len(transcript.text) > len((await first.finish()).text)


async def test_closing_an_utterance_aborts_what_the_engine_does_for_it(tiny: VllmRecognizer) -> None:
    recognition = tiny.open(language="en")
    await recognition.feed(noise(110, level=0.3))
    settling = asyncio.ensure_future(recognition.settle())
    while not tiny.unfinished_requests():
        assert not settling.done(), "it was over before it could be dropped"
        await asyncio.sleep(0.001)
    await recognition.close()
    with pytest.raises(SpeechFailed, match="dropped"):
        await settling
    assert tiny.unfinished_requests() == 0


async def test_cancelling_whoever_waits_aborts_it_too(tiny: VllmRecognizer) -> None:
    recognition = tiny.open(language="en")
    await recognition.feed(noise(110, level=0.3))
    settling = asyncio.ensure_future(recognition.settle())
    while not tiny.unfinished_requests():
        assert not settling.done(), "it was over before it could be cancelled"
        await asyncio.sleep(0.001)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert tiny.unfinished_requests() == 0
    assert isinstance((await recognized(tiny, silence(1))).text, str)


async def test_whoever_finds_no_turn_is_told_so(tiny: VllmRecognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "_turns", asyncio.Semaphore(0))
    monkeypatch.setattr(tiny, "_wait_s", 0.01)
    recognition = await fed(tiny.open(), strawberries())
    with pytest.raises(Overloaded):
        await recognition.finish()


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    recognizer = VllmRecognizer(engine_settings(str(tmp_path), ENGINE, workers=1, num_gpus=0))
    with pytest.raises(SpeechUnavailable, match=str(tmp_path)):
        await recognizer.start()
    await recognizer.stop()
