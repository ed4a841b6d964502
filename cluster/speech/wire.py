"""What crosses between a speech replica and whoever calls it: MessagePack of these, so that nothing is pickled per piece of audio.

What is wrong with a call travels as a :class:`Fault` and is raised on the other side as the error that it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from cluster.errors import InvalidRequest, OssatureError, Overloaded
from cluster.speech.contract import SpokenChunk, TextMark, Transcript, VoiceInfo, Word
from cluster.speech.errors import AudioTooLong, SpeechFailed, SpeechUnavailable, TextTooLong, UnsupportedAudio, VoiceNotFound

_ERRORS: tuple[type[OssatureError], ...] = (
    VoiceNotFound,
    TextTooLong,
    AudioTooLong,
    UnsupportedAudio,
    InvalidRequest,
    Overloaded,
    SpeechUnavailable,
    SpeechFailed,
)


class Fault(msgspec.Struct, frozen=True, tag=True):
    """``kind``: the error's class. All of its text may be shown to a caller."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None


class Spoken(msgspec.Struct, frozen=True, tag=True):
    """A chunk of speech. ``marks``: pairs of characters and samples."""

    pcm: bytes
    marks: list[tuple[int, int]] = []


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The utterance exists on the replica that says so."""


class Recognized(msgspec.Struct, frozen=True, tag=True):
    """A transcript. ``words``: text, beginning, end, probability."""

    text: str
    language: str | None
    audio_ms: int
    words: list[tuple[str, int, int, float | None]]
    confidence: float | None
    work_s: float | None


class Taken(msgspec.Struct, frozen=True, tag=True):
    """Audio was taken."""


class Abilities(msgspec.Struct, frozen=True, tag=True):
    """What a replica can do. ``voices``: id, description, language."""

    voices: list[tuple[str, str, str]]
    languages: list[str]


Reply: TypeAlias = Fault | Spoken | Opened | Recognized | Taken | Abilities

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encoded(reply: Reply) -> bytes:
    return _encoder.encode(reply)


def decoded(data: bytes) -> Spoken | Opened | Recognized | Taken | Abilities:
    """The reply.

    Raises:
        OssatureError: the fault that it is.
    """
    reply = _decoder.decode(data)
    if isinstance(reply, Fault):
        raise _error_of(reply)
    return reply


def fault_of(error: OssatureError) -> Fault:
    """An error as it travels; of a kind that isn't speech's own, the nearest."""
    kind = next((known for known in _ERRORS if isinstance(error, known)), SpeechFailed)
    return Fault(kind.__name__, error.message, error.param, error.code, error.retry_after_s)


def _error_of(fault: Fault) -> OssatureError:
    kind = next((known for known in _ERRORS if known.__name__ == fault.kind), SpeechFailed)
    return kind(fault.message, param=fault.param, code=fault.code, retry_after_s=fault.retry_after_s)


def spoken(chunk: SpokenChunk) -> Spoken:
    return Spoken(chunk.pcm, [(mark.char_end, mark.sample_end) for mark in chunk.marks])


def chunk_of(reply: Spoken) -> SpokenChunk:
    return SpokenChunk(reply.pcm, tuple(TextMark(char_end, sample_end) for char_end, sample_end in reply.marks))


def recognized(transcript: Transcript) -> Recognized:
    words = [(word.text, word.start_ms, word.end_ms, word.probability) for word in transcript.words]
    return Recognized(transcript.text, transcript.language, transcript.audio_ms, words, transcript.confidence, transcript.work_s)


def transcript_of(reply: Recognized) -> Transcript:
    words = tuple(Word(text, start_ms, end_ms, probability) for text, start_ms, end_ms, probability in reply.words)
    return Transcript(reply.text, reply.language, reply.audio_ms, words, reply.confidence, reply.work_s)


def abilities(voices: Sequence[VoiceInfo], languages: Sequence[str]) -> Abilities:
    return Abilities([(voice.id, voice.description, voice.language) for voice in voices], list(languages))


def voices_of(reply: Abilities) -> tuple[VoiceInfo, ...]:
    return tuple(VoiceInfo(name, description, language) for name, description, language in reply.voices)
