"""Kokoro with a network that hums (``models/speech/kokoro.py``): needs the program espeak-ng for phonemes (``make voices``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from cluster.config.settings.speech import SpeechSettings
from cluster.errors import Overloaded
from cluster.speech import stack
from cluster.speech.audio.pcm import samples_of
from cluster.speech.contract import Synthesizer
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.kokoro.synthesizer import KokoroSynthesizer
from models.speech import kokoro
from tests.integration.speech.synthesizer_conformance import SynthesizerConformance, marks_of, pcm_of, spoken
from tests.unit.speech.sounds import pitch_hz

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kokoro.make(tmp_path_factory.mktemp("models") / "kokoro")


@pytest.fixture
async def humming(folder: Path) -> AsyncIterator[KokoroSynthesizer]:
    synthesizer = KokoroSynthesizer(str(folder), workers=2)
    await synthesizer.start()
    yield synthesizer
    await synthesizer.stop()


class TestKokoro(SynthesizerConformance):
    @pytest.fixture
    def synthesizer(self, humming: KokoroSynthesizer) -> Synthesizer:
        return humming


async def test_kokoros_own_names_speak_and_clients_names_stand_for_them(humming: KokoroSynthesizer) -> None:
    named = {voice.id: voice for voice in humming.voices}
    assert named["nova"].description == named["af_nova"].description == "Kokoro af_nova, American English, woman"
    assert (named["ef_dora"].language, named["bm_fable"].language) == ("es", "en")
    assert pcm_of(await spoken(humming, "Yes.", voice="nova")) == pcm_of(await spoken(humming, "Yes.", voice="af_nova"))
    assert not {name for name in named if name.startswith(("jf", "zf"))}, "their phonemes are not espeak's"


async def test_each_voice_speaks_its_own_language(humming: KokoroSynthesizer) -> None:
    english, spanish = [marks_of(await spoken(humming, "1234567", voice=voice)) for voice in ("af_heart", "ef_dora")]
    assert english[-1].char_end == spanish[-1].char_end
    assert english != spanish


async def test_a_phrase_is_where_the_network_says(humming: KokoroSynthesizer) -> None:
    """A one-letter phrase and a long number: by letters both would be equally long."""
    text = "a; 999."
    marks = marks_of(await spoken(humming, text))
    begin = next(mark for mark in marks if text[: mark.char_end].rstrip() == "a;")
    assert begin.sample_end < marks[-1].sample_end / 3


async def test_a_text_longer_than_the_network_takes_is_spoken_whole(humming: KokoroSynthesizer) -> None:
    text = "9" * 20 + " " + "9876543210 " * 19
    chunks = await spoken(humming, text)
    assert marks_of(chunks)[-1].sample_end == samples_of(pcm_of(chunks)) > 24_000 * 40


async def test_dropping_an_utterance_stops_the_network_within_its_clause(humming: KokoroSynthesizer) -> None:
    long = "nine hundred ninety nine million " * 7
    async with aclosing(humming.speak(long, voice="alloy")) as chunks:
        task = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await spoken(humming, "Next.")


async def test_whoever_finds_no_turn_is_told_so(folder: Path) -> None:
    synthesizer = KokoroSynthesizer(str(folder), workers=1, wait_s=0.01)
    await synthesizer.start()
    await synthesizer._turns.acquire()
    with pytest.raises(Overloaded):
        await spoken(synthesizer, "Hello.")
    synthesizer._turns.release()
    assert pitch_hz(pcm_of(await spoken(synthesizer, "Hello.")), 24_000) > 0
    await synthesizer.stop()


async def test_settings_lead_to_it(folder: Path) -> None:
    (candidate,) = stack.synthesizers(SpeechSettings(synthesizer="kokoro", synthesizer_model=str(folder)))
    synthesizer = await stack.started_synthesizer([candidate])
    await synthesizer.check_health()
    assert pcm_of(await spoken(synthesizer, "Hello."))
    await synthesizer.stop()
    with pytest.raises(SpeechUnavailable):
        await synthesizer.check_health()


async def test_a_missing_program_is_named_with_the_way_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SpeechUnavailable, match="apt-get install espeak-ng"):
        await KokoroSynthesizer(str(folder)).start()
