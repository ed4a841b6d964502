"""What every synthesizer must do. A test class of an implementation inherits it and gives a ``synthesizer`` that is started."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from cluster.errors import InvalidRequest
from cluster.speech.audio.pcm import as_int16, samples_of
from cluster.speech.contract import SAMPLE_RATE_HZ, SpokenChunk, Synthesizer, TextMark
from cluster.speech.errors import TextTooLong, VoiceNotFound
from cluster.speech.heard import SpokenText

TEXT = 'Well, "I paid **$3.50**" to Dr. Smith 😀 (twice); it is time. And that is all!'
#: Names that OpenAI's clients send.
OPENAI_VOICES = {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"}


async def spoken(synthesizer: Synthesizer, text: str, *, voice: str = "alloy", speed: float = 1.0) -> list[SpokenChunk]:
    return [chunk async for chunk in synthesizer.speak(text, voice=voice, speed=speed)]


def pcm_of(chunks: list[SpokenChunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


def marks_of(chunks: list[SpokenChunk]) -> list[TextMark]:
    return [mark for chunk in chunks for mark in chunk.marks]


class SynthesizerConformance:
    """Utterances are compared by their marks: synthesizers may breathe by chance."""

    async def test_every_name_of_a_voice_speaks(self, synthesizer: Synthesizer) -> None:
        names = {voice.id for voice in synthesizer.voices}
        assert names >= OPENAI_VOICES
        for voice in synthesizer.voices:
            assert voice.description
            assert voice.language
        for name in sorted(names):
            assert samples_of(pcm_of(await spoken(synthesizer, "Yes.", voice=name))) > SAMPLE_RATE_HZ // 10

    async def test_there_are_several_voices_that_differ(self, synthesizer: Synthesizer) -> None:
        sounds = {voice.id: pcm_of(await spoken(synthesizer, "Good morning.", voice=voice.id)) for voice in synthesizer.voices}
        assert len(set(sounds.values())) >= 6

    async def test_what_is_spoken_is_audible_and_not_clipped(self, synthesizer: Synthesizer) -> None:
        samples = np.abs(as_int16(pcm_of(await spoken(synthesizer, TEXT))).astype(float))
        assert samples.max() > 3000
        assert np.mean(samples >= 32767) < 0.001

    async def test_sound_begins_at_once(self, synthesizer: Synthesizer) -> None:
        samples = np.abs(as_int16(pcm_of(await spoken(synthesizer, "Hello there."))).astype(float))
        assert int(np.argmax(samples > 500)) < 0.15 * SAMPLE_RATE_HZ

    async def test_marks_lead_from_the_audio_to_the_text(self, synthesizer: Synthesizer) -> None:
        chunks = await spoken(synthesizer, TEXT)
        marks = marks_of(chunks)
        assert marks[-1] == TextMark(len(TEXT), samples_of(pcm_of(chunks)))
        assert [mark.char_end for mark in marks] == sorted(mark.char_end for mark in marks)
        assert [mark.sample_end for mark in marks] == sorted(mark.sample_end for mark in marks)
        assert len({mark.char_end for mark in marks}) >= 12
        for mark in marks:  # none cuts a word in two
            assert mark.char_end == len(TEXT) or not (TEXT[mark.char_end - 1].isalnum() and TEXT[mark.char_end].isalnum())

    async def test_a_mark_comes_with_its_audio(self, synthesizer: Synthesizer) -> None:
        samples = 0
        for chunk in await spoken(synthesizer, TEXT):
            samples += samples_of(chunk.pcm)
            assert all(mark.sample_end <= samples for mark in chunk.marks)

    async def test_half_of_the_audio_is_about_half_of_the_text(self, synthesizer: Synthesizer) -> None:
        item = SpokenText()
        text = "one two three four five six seven eight nine ten"
        item.begin(text)
        for chunk in await spoken(synthesizer, text):
            item.add(chunk)
        assert 3 <= len(item.heard(item.audio_ms // 2).split()) <= 7
        assert item.heard(0) == ""
        assert item.heard(item.audio_ms) == text

    async def test_audio_comes_in_pieces_while_it_is_made(self, synthesizer: Synthesizer) -> None:
        chunks = await spoken(synthesizer, "This sentence is long enough to be more than one piece of audio.")
        assert len([chunk for chunk in chunks if chunk.pcm]) > 2

    @pytest.mark.parametrize("text", ["", "   \n", "😀", "...", "**", "```"])
    async def test_text_without_a_sound_is_silent(self, synthesizer: Synthesizer, text: str) -> None:
        chunks = await spoken(synthesizer, text)
        assert pcm_of(chunks) == b""
        assert all(mark == TextMark(len(text), 0) for mark in marks_of(chunks))

    @pytest.mark.parametrize(
        "text", ["café über 日本 naïve", "-v --help", '"; rm -rf / #', "a" * 500, "\x00\x07 hi \u200b", "<speak>hi</speak>"]
    )
    async def test_odd_text_does_no_harm(self, synthesizer: Synthesizer, text: str) -> None:
        chunks = await spoken(synthesizer, text)
        assert marks_of(chunks)[-1].char_end == len(text)
        assert pcm_of(chunks)

    async def test_faster_speech_is_shorter(self, synthesizer: Synthesizer) -> None:
        text = "A short sentence to time."
        slow, plain, fast = [samples_of(pcm_of(await spoken(synthesizer, text, speed=speed))) for speed in (0.7, 1.0, 1.5)]
        assert slow > 1.2 * plain
        assert fast < 0.8 * plain

    async def test_the_next_utterance_has_its_own_speed_and_voice(self, synthesizer: Synthesizer) -> None:
        before = marks_of(await spoken(synthesizer, "One more time."))
        await spoken(synthesizer, "One more time.", voice="nova", speed=2.0)
        assert marks_of(await spoken(synthesizer, "One more time.")) == before

    async def test_utterances_at_once_do_not_mix(self, synthesizer: Synthesizer) -> None:
        texts = ["First of all.", "Second to none.", "Third time lucky."]
        alone = [marks_of(await spoken(synthesizer, text)) for text in texts]
        together = await asyncio.gather(*(spoken(synthesizer, text) for text in texts))
        assert [marks_of(chunks) for chunks in together] == alone

    async def test_closing_stops_the_work_and_the_next_one_is_served(self, synthesizer: Synthesizer) -> None:
        expected = marks_of(await spoken(synthesizer, "Next."))
        for _ in range(5):
            async with aclosing(synthesizer.speak("This is a long sentence that nobody will hear. " * 40, voice="alloy")) as chunks:
                async for _ in chunks:
                    break
        async with asyncio.timeout(20):
            assert marks_of(await spoken(synthesizer, "Next.")) == expected

    async def test_a_slow_listener_does_not_hold_up_another(self, synthesizer: Synthesizer) -> None:
        async with aclosing(synthesizer.speak("A long sentence, heard by a slow listener. " * 5, voice="alloy")) as slow:
            await anext(slow)
            async with asyncio.timeout(20):
                for _ in range(4):
                    assert await spoken(synthesizer, "Me too.")

    async def test_cancelling_the_listener_frees_the_worker(self, synthesizer: Synthesizer) -> None:
        task = asyncio.create_task(spoken(synthesizer, "A long sentence that is given up. " * 40))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            assert await spoken(synthesizer, "Next.")

    async def test_an_unknown_voice_is_refused_with_its_field(self, synthesizer: Synthesizer) -> None:
        with pytest.raises(VoiceNotFound) as refused:
            await spoken(synthesizer, "Hello.", voice="nobody")
        assert (refused.value.param, refused.value.code) == ("voice", "voice_not_found")
        assert "alloy" in refused.value.message

    @pytest.mark.parametrize("speed", [0.0, 0.24, 4.01, -1.0, float("nan"), float("inf")])
    async def test_a_speed_out_of_range_is_refused_with_its_field(self, synthesizer: Synthesizer, speed: float) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await spoken(synthesizer, "Hello.", speed=speed)
        assert refused.value.param == "speed"

    async def test_too_long_a_text_is_refused_with_its_field(self, synthesizer: Synthesizer) -> None:
        with pytest.raises(TextTooLong) as refused:
            await spoken(synthesizer, "x" * 4097)
        assert refused.value.param == "input"
