"""What every recognizer, synthesizer and voice activity detector takes and gives. Realtime sessions and HTTP edges share it.

Audio between the parts of the cluster is 16-bit little endian mono PCM at :data:`SAMPLE_RATE_HZ` unless a signature names another
rate. Positions are counted in audio, never by a clock: milliseconds from the first sample that a session has sent, or samples from
the first one that an utterance has.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Rate of OpenAI's ``pcm16`` and ``audio/pcm``, in and out.
SAMPLE_RATE_HZ: Final = 24_000
#: Rate at which voice activity detectors and recognizers listen.
LISTENING_RATE_HZ: Final = 16_000
#: One frame of a voice activity detector: 32 ms at :data:`LISTENING_RATE_HZ`.
VAD_FRAME_SAMPLES: Final = 512
VAD_FRAME_MS: Final = 32
BYTES_PER_SAMPLE: Final = 2

#: 16-bit little endian mono PCM: an even number of bytes.
Pcm: TypeAlias = bytes


# --- recognition ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One recognized word. Milliseconds from the first sample that was fed. ``probability`` in (0, 1] where there is one."""

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was recognized. ``text`` is empty when nothing was.

    ``language``: ISO 639-1, None where it was neither told nor detected. ``words`` is empty for recognizers without timings.
    ``confidence`` in [0, 1], None where the recognizer has none. ``audio_ms``: how much audio it was made of. ``work_s``: how
    long the recognizer worked on it, waits left out, in seconds; None where it doesn't know.
    """

    text: str
    language: str | None
    audio_ms: int
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    work_s: float | None = field(default=None, compare=False)


class Recognition(Protocol):
    """One utterance on its way to a transcript. Calls are made one after the other, :meth:`close` excepted."""

    async def feed(self, pcm: Pcm) -> None:
        """Take the next audio, at the rate given to ``open``. Returns when it is taken, not when it is decoded.

        Raises:
            InvalidRequest: an odd number of bytes, or more audio than an utterance may have.
        """
        ...

    async def settle(self) -> Transcript:
        """The transcript if the utterance ended here: as good as :meth:`finish` gives, and :meth:`feed` may still go on after it.

        For early finalisation: settle when the speaker pauses (:class:`SpeechMaybeEnded`) and hold back the audio of the pause. If
        the turn is over, :meth:`finish` returns the same transcript at once; if speech goes on, feed what was held back.
        """
        ...

    async def finish(self) -> Transcript:
        """The transcript of all that was fed. Nothing may be fed after it.

        Raises:
            SpeechFailed: the recognizer broke.
            Overloaded: no decoder came free in time.
        """
        ...

    async def close(self) -> None:
        """Drop the utterance and free what it holds, at any time and from any task. Idempotent."""
        ...


class Recognizer(Protocol):
    """Speech to text."""

    @property
    def languages(self) -> Sequence[str]:
        """Languages that it understands, ISO 639-1; empty: whatever the model does."""
        ...

    def open(
        self, *, rate_hz: int = SAMPLE_RATE_HZ, language: str | None = None, prompt: str | None = None, live: bool = True
    ) -> Recognition:
        """Begin an utterance. Costs nothing until audio is fed.

        ``prompt``: words to expect or text that came before; a recognizer that can't use it ignores it.
        ``live``: audio comes as it is spoken, and a transcript is waited for. False: all is there, and accuracy goes before time.

        Raises:
            InvalidRequest: ``language`` is none that it understands, or ``rate_hz`` is out of range (8,000 to 48,000).
        """
        ...


# --- synthesis ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """A voice under the name that clients use. ``description`` says what it really is; ``language``: ISO 639-1."""

    id: str
    description: str
    language: str


@dataclass(frozen=True, slots=True)
class TextMark:
    """Whoever has heard the utterance up to ``sample_end`` has heard its text up to ``char_end`` (both counted from its start)."""

    char_end: int
    sample_end: int


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """Audio that was made since the chunk before, and the words that end in it or just before it, in order of the text.

    A mark comes with the chunk that holds its sample, or with the next one after it.
    """

    pcm: Pcm
    marks: Sequence[TextMark] = field(default=())


class Synthesizer(Protocol):
    """Text to speech."""

    @property
    def voices(self) -> Sequence[VoiceInfo]: ...

    def speak(self, text: str, *, voice: str, speed: float = 1.0) -> AsyncGenerator[SpokenChunk, None]:
        """Say ``text``, streamed as it is made, at :data:`SAMPLE_RATE_HZ`. Closing the generator stops the work.

        ``speed`` 0.25 to 4. Text with nothing to pronounce yields marks at most. The last mark of a finished utterance is
        at the end of ``text`` and of its audio.

        Raises:
            VoiceNotFound: no such voice (``param="voice"``).
            TextTooLong: more than the configured number of characters (``param="input"``).
            InvalidRequest: ``speed`` out of range (``param="speed"``).
            SpeechFailed: the synthesizer broke.
        """
        ...


# --- turn taking ----------------------------------------------------------------------------------------------------------


class VoiceActivityDetector(Protocol):
    """Says of each frame how likely it holds speech. One object a session, with the session's past in it; no locks."""

    def probabilities(self, frames: NDArray[np.float32]) -> list[float]:
        """The probability of speech, in [0, 1], in each of the next frames at :data:`LISTENING_RATE_HZ`.

        ``frames``: shape (count, :data:`VAD_FRAME_SAMPLES`), values in [-1, 1], in their order; ``count`` may be 0.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech was detected. ``at_ms``: where the turn's audio begins, padding included (OpenAI's ``audio_start_ms``)."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechMaybeEnded:
    """Silence has lasted long enough to begin recognition, not to end the turn. ``at_ms``: the end of the last loud frame."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech again after :class:`SpeechMaybeEnded`. ``at_ms``: the start of the first frame with it."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The turn is over. ``at_ms``: where its audio ends, the silence waited for included (OpenAI's ``audio_end_ms``)."""

    at_ms: int


TurnEvent: TypeAlias = SpeechStarted | SpeechMaybeEnded | SpeechResumed | SpeechStopped
