"""From a heard position in samples to the words that were heard: what a truncated answer leaves in the conversation.

An item's speech is made of several utterances (clauses); :class:`SpokenText` lays their text and their audio end to end.
"""

from __future__ import annotations

from bisect import bisect_right

from cluster.errors import InvalidRequest
from cluster.speech.audio.pcm import ms_of, samples_of
from cluster.speech.contract import SAMPLE_RATE_HZ, SpokenChunk, TextMark


class SpokenText:
    """Text of one item, and where its words end in its audio. Keeps 16 bytes or so a word, and no audio."""

    def __init__(self) -> None:
        self._text = ""
        self._samples = 0
        self._chars: list[int] = [0]
        self._ends: list[int] = [0]
        self._base = TextMark(0, 0)

    @property
    def text(self) -> str:
        """All text that was begun, heard or not."""
        return self._text

    @property
    def samples(self) -> int:
        """All audio so far."""
        return self._samples

    @property
    def audio_ms(self) -> int:
        return ms_of(self._samples)

    def begin(self, text: str) -> None:
        """The next utterance is about to be spoken. ``text`` as given to ``speak``: with its spaces, so that the pieces join."""
        self._base = TextMark(len(self._text), self._samples)
        self._text += text

    def add(self, chunk: SpokenChunk) -> None:
        """Take the next chunk of the utterance begun last."""
        self._samples += samples_of(chunk.pcm)
        for mark in chunk.marks:
            char, end = self._base.char_end + mark.char_end, self._base.sample_end + mark.sample_end
            if char >= self._chars[-1] and end >= self._ends[-1]:
                self._chars.append(char)
                self._ends.append(end)

    def chars_heard(self, samples: int) -> int:
        """How many characters of :attr:`text` have been heard up to a sample: whole words, none that was cut off."""
        if samples >= self._samples > 0:
            return self._chars[-1]
        return self._chars[bisect_right(self._ends, samples) - 1]

    def heard(self, audio_end_ms: int) -> str:
        """The text that was heard up to a position, by whole words.

        Raises:
            InvalidRequest: a position before the beginning or after the end (``param="audio_end_ms"``).
        """
        if not 0 <= audio_end_ms <= -(-self._samples * 1000 // SAMPLE_RATE_HZ):
            raise InvalidRequest(
                f"audio_end_ms must lie between 0 and the item's {self.audio_ms} ms of audio", param="audio_end_ms"
            )
        # Nobody can ask for the last part of a millisecond.
        samples = self._samples if audio_end_ms >= self.audio_ms else audio_end_ms * SAMPLE_RATE_HZ // 1000
        return self._text[: self.chars_heard(samples)]
