"""Whisper's loading and running, with weights of chance that our script makes: what it answers is nonsense, but always the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import ValidationError

from cluster.config.settings.speech import SpeechSettings
from cluster.speech import stack
from cluster.speech.contract import Recognizer
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.whisper.recognizer import WhisperRecognizer
from models.speech import whisper
from tests.unit.speech.recognizer_conformance import RecognizerConformance, fed, recognized
from tests.unit.speech.sounds import noise, strawberries

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper.make(tmp_path_factory.mktemp("models") / "whisper")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(folder: Path) -> AsyncIterator[WhisperRecognizer]:
    recognizer = WhisperRecognizer(str(folder), wait_s=60)
    await recognizer.start()
    yield recognizer
    await recognizer.stop()


class TestWhisper(RecognizerConformance):
    @pytest.fixture
    def recognizer(self, tiny: WhisperRecognizer) -> Recognizer:
        return tiny


async def test_the_model_hears_what_it_is_given(tiny: WhisperRecognizer) -> None:
    texts = {(await recognized(tiny, pcm)).text for pcm in (strawberries(), noise(2, level=0.5), noise(1, level=0.01))}
    assert len(texts) > 1
    assert all(texts)


async def test_its_languages_are_those_of_the_checkpoint(tiny: WhisperRecognizer) -> None:
    assert tuple(tiny.languages) == ("de", "en", "es", "fr")
    recognition = await fed(tiny.open(language="de-AT", prompt="Erdbeeren"), strawberries())
    assert (await recognition.finish()).language == "de"


async def test_an_utterance_longer_than_the_window_is_heard_in_pieces(tiny: WhisperRecognizer) -> None:
    recognition = tiny.open(language="en")
    await recognition.feed(noise(65, level=0.3))
    transcript = await recognition.finish()
    assert transcript.audio_ms == 65_000
    assert transcript.text


async def test_settings_lead_to_it(folder: Path) -> None:
    recognizer = stack.recognizer(SpeechSettings(recognizer="whisper", recognizer_model=str(folder)))
    await recognizer.start()
    try:
        await recognizer.check_health()
        assert (await recognized(recognizer, strawberries())).audio_ms == 3043
    finally:
        await recognizer.stop()


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    recognizer = WhisperRecognizer(str(tmp_path))
    with pytest.raises(SpeechUnavailable, match=str(tmp_path)):
        await recognizer.start()
    with pytest.raises(SpeechUnavailable):
        await recognizer.check_health()
    await recognizer.stop()


async def test_settings_without_a_model_or_a_gpu_are_refused() -> None:
    with pytest.raises(ValidationError, match="recognizer_model"):
        SpeechSettings(recognizer="whisper")
    with pytest.raises(ValidationError, match="num_gpus"):
        SpeechSettings(recognizer_device="cuda")
