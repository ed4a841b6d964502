"""PocketSphinx as its worker uses it: segments of an utterance in, words out. It keeps Python's lock while it decodes."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

import numpy as np

from cluster.speech.contract import LISTENING_RATE_HZ

#: Cepstral means to begin with. The model's own (40, 3, -1) are those of quieter recordings than :class:`Leveller` makes, and
#: a stream is over before the running mean has caught up: with these, two fifths of the word errors were gone.
_MEANS: Final = "52,8,-1.5,15,-5,0,0,0,0,0,0,0,0"
_FRAME_MS: Final = 10
#: Silence and noises in the dictionary, and the number of a word's second pronunciation.
_FILLER = re.compile(r"^[<\[+].*[>\]+]$")
_VARIANT = re.compile(r"\(\d+\)$")


#: The word, its beginning and end in ms from the first sample of the utterance, and its posterior probability.
RecognizedWord: TypeAlias = tuple[str, int, int, float]


class Leveller:
    """Brings speech to one loudness, which the means above stand for.

    The first 0.8 s set the gain: in a session that is 0.3 s from before the speech and its beginning. With less of it the gain is
    the noise's, and first words are lost. Later it only falls, when speech would clip.
    """

    _WINDOW_BYTES: Final = 2 * LISTENING_RATE_HZ * 8 // 10
    _TARGET: Final = 0.5 * 32768
    _LOUDEST: Final = 32767.0
    _MAX_GAIN: Final = 16.0

    def __init__(self) -> None:
        self._waiting = b""
        self._gain: float | None = None

    def push(self, pcm: bytes) -> bytes:
        """PCM at the common level; nothing until the window is full."""
        if self._gain is not None:
            return self._amplified(pcm)
        self._waiting += pcm
        return self.flush() if len(self._waiting) >= self._WINDOW_BYTES else b""

    def flush(self) -> bytes:
        """What waits for the window, by the gain that it suggests."""
        waiting, self._waiting = self._waiting, b""
        return self._amplified(waiting) if waiting else b""

    def _amplified(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        peak = max(float(np.abs(samples).max(initial=0.0)), 1.0)
        if self._gain is None:
            self._gain = min(self._TARGET / peak, self._MAX_GAIN)
        self._gain = min(self._gain, self._LOUDEST / peak)
        return bytes((samples * np.float32(self._gain)).astype("<i2").tobytes())


class SphinxDecoder:
    """One decoder of English, one utterance at a time. An utterance is decoded in segments, cut where the speaker paused."""

    def __init__(self) -> None:
        from pocketsphinx import Config, Decoder

        # Without the second pass (fwdflat): it takes 100 ms more at the end of a segment, and found no word more in a stream.
        self._decoder: Any = Decoder(Config(samprate=LISTENING_RATE_HZ, loglevel="FATAL", fwdflat=False))
        self._in_segment = False
        self.begin(live=True)

    def begin(self, *, live: bool) -> None:
        """A new utterance; nothing of an earlier one, or of its speaker's voice, is left.

        ``live``: decode as audio comes. Else all of a segment at its end, by means of its own.
        """
        if self._in_segment:
            self._decoder.end_utt()
        self._live = live
        self._level = Leveller()
        self._whole = bytearray()
        self._words: list[RecognizedWord] = []
        self._segment_start = 0
        self._samples = 0
        self._in_segment = False
        self._decoder.set_cmn(_MEANS)

    def feed(self, pcm: bytes) -> None:
        """The next audio at 16 kHz. Decodes it before it returns."""
        self._take(self._level.push(pcm))

    def settle(self) -> list[RecognizedWord]:
        """What was said so far. More audio begins a new segment."""
        self._take(self._level.flush())
        if self._whole:
            self._decode(bytes(self._whole), whole=True)
            self._whole.clear()
        if self._in_segment:
            self._decoder.end_utt()
            self._in_segment = False
            self._words += self._segment_words()
            self._segment_start = self._samples
        return list(self._words)

    def _take(self, pcm: bytes) -> None:
        if self._live and pcm:
            self._decode(pcm, whole=False)
        else:
            self._whole += pcm

    def _decode(self, pcm: bytes, *, whole: bool) -> None:
        if not self._in_segment:
            self._decoder.start_utt()
            self._in_segment = True
        self._decoder.process_raw(pcm, False, whole)
        self._samples += len(pcm) // 2

    def _segment_words(self) -> list[RecognizedWord]:
        if self._decoder.hyp() is None:
            return []
        offset_ms = self._segment_start * 1000 // LISTENING_RATE_HZ
        words = []
        for segment in self._decoder.seg() or ():
            if _FILLER.match(segment.word):
                continue
            posterior = min(max(float(segment.prob), 0.0), 1.0)
            start_ms = offset_ms + segment.start_frame * _FRAME_MS
            end_ms = offset_ms + (segment.end_frame + 1) * _FRAME_MS
            words.append((_VARIANT.sub("", segment.word), start_ms, end_ms, posterior))
        return words
