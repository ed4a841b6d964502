"""What every recognizer must do. A test class of an implementation inherits it and gives a ``recognizer`` that is started."""

from __future__ import annotations

import asyncio

import pytest

from cluster.errors import InvalidRequest
from cluster.speech.audio.resample import resample
from cluster.speech.contract import Recognition, Recognizer, Transcript
from cluster.speech.errors import AudioTooLong
from tests.unit.speech.sounds import noise, pieces, silence, strawberries, tone


async def fed(recognition: Recognition, pcm: bytes) -> Recognition:
    for piece in pieces(pcm):
        await recognition.feed(piece)
    return recognition


async def recognized(recognizer: Recognizer, pcm: bytes, *, live: bool = True) -> Transcript:
    return await (await fed(recognizer.open(live=live), pcm)).finish()


class RecognizerConformance:
    @pytest.mark.parametrize("live", [True, False])
    async def test_a_transcript_tells_what_it_was_made_of(self, recognizer: Recognizer, live: bool) -> None:
        transcript = await recognized(recognizer, strawberries(), live=live)
        assert transcript.audio_ms == 3043
        assert transcript.confidence is None or 0 <= transcript.confidence <= 1

    async def test_words_have_times_in_order_within_the_audio(self, recognizer: Recognizer) -> None:
        transcript = await recognized(recognizer, strawberries())
        times = [time for word in transcript.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert all(0 <= time <= transcript.audio_ms for time in times)

    async def test_of_nothing_nothing_is_recognized(self, recognizer: Recognizer) -> None:
        assert (await recognizer.open().finish()).text == ""

    @pytest.mark.parametrize(
        "sound", [silence(0.02), silence(1), noise(1, level=0.3), tone(1), silence(0.01) + strawberries()[:200]]
    )
    async def test_any_sound_has_a_transcript(self, recognizer: Recognizer, sound: bytes) -> None:
        assert isinstance((await recognized(recognizer, sound)).text, str)

    async def test_the_transcript_is_the_same_however_the_audio_is_cut(self, recognizer: Recognizer) -> None:
        recognition = recognizer.open()
        await recognition.feed(strawberries())
        assert (await recognition.finish()).text == (await recognized(recognizer, strawberries())).text

    async def test_settling_gives_what_finishing_gives(self, recognizer: Recognizer) -> None:
        recognition = await fed(recognizer.open(), strawberries())
        settled = await recognition.settle()
        assert await recognition.settle() == settled
        assert await recognition.finish() == settled

    async def test_after_settling_more_may_be_said(self, recognizer: Recognizer) -> None:
        recognition = await fed(recognizer.open(), strawberries())
        first = await recognition.settle()
        await fed(recognition, silence(0.2) + strawberries())
        both = await recognition.finish()
        assert both.audio_ms == pytest.approx(2 * 3043 + 200, abs=1)
        assert isinstance(first.text, str)

    async def test_utterances_at_once_do_not_mix(self, recognizer: Recognizer) -> None:
        half = strawberries()[: len(strawberries()) // 4 * 2]
        alone = [(await recognized(recognizer, pcm)).text for pcm in (strawberries(), half)]
        together = await asyncio.gather(*(recognized(recognizer, pcm) for pcm in (strawberries(), half)))
        assert [transcript.text for transcript in together] == alone

    async def test_utterances_leave_no_trace_in_the_next(self, recognizer: Recognizer) -> None:
        before = (await recognized(recognizer, strawberries())).text
        await recognized(recognizer, noise(0.5, level=0.5))
        assert (await recognized(recognizer, strawberries())).text == before

    async def test_closing_drops_the_utterance_at_any_time(self, recognizer: Recognizer) -> None:
        never, begun, settled = recognizer.open(), recognizer.open(), recognizer.open()
        await fed(begun, strawberries())
        await begun.close()
        await fed(settled, strawberries())
        await settled.settle()
        for recognition in (never, begun, settled):
            await recognition.close()
            await recognition.close()
        async with asyncio.timeout(60):
            await recognized(recognizer, strawberries())

    async def test_other_rates_are_heard_alike(self, recognizer: Recognizer) -> None:
        recognition = recognizer.open(rate_hz=16_000)
        await recognition.feed(resample(strawberries(), 24_000, 16_000))
        assert (await recognition.finish()).audio_ms == 3043

    async def test_a_rate_out_of_range_is_refused(self, recognizer: Recognizer) -> None:
        with pytest.raises(InvalidRequest):
            recognizer.open(rate_hz=1000)

    async def test_half_a_sample_is_refused(self, recognizer: Recognizer) -> None:
        recognition = recognizer.open()
        with pytest.raises(InvalidRequest):
            await recognition.feed(b"\x00")
        await recognition.close()

    async def test_too_long_an_utterance_is_refused(self, recognizer: Recognizer) -> None:
        recognition = recognizer.open()
        with pytest.raises(AudioTooLong) as refused:
            await fed(recognition, silence(1000))
        assert refused.value.param == "audio"
        await recognition.close()

    async def test_regional_names_of_its_languages_are_understood(self, recognizer: Recognizer) -> None:
        for language in (*recognizer.languages, "en-US", "en", ""):
            await recognizer.open(language=language).close()

    async def test_another_language_is_refused_with_its_field(self, recognizer: Recognizer) -> None:
        with pytest.raises(InvalidRequest) as refused:
            recognizer.open(language="tlh")
        assert refused.value.param == "language"
