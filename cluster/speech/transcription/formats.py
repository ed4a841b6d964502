"""A transcript as ``/v1/audio/transcriptions`` answers: json, text, verbose_json, srt, vtt.

Shapes: openapi.yaml, ``CreateTranscriptionResponseJson``, ``CreateTranscriptionResponseVerboseJson``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from cluster.speech.contract import Transcript
from cluster.speech.errors import UnsupportedAudio
from cluster.speech.transcription.segments import Segment

#: Least posterior that a logarithm is taken of.
_LEAST: Final = 1e-10
#: What the verbose answer calls languages: by their English names.
_LANGUAGE_NAMES: Final = {"en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese"}


class TranscriptFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    VERBOSE_JSON = "verbose_json"
    SRT = "srt"
    VTT = "vtt"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    TranscriptFormat.JSON: "application/json",
    TranscriptFormat.VERBOSE_JSON: "application/json",
    TranscriptFormat.TEXT: "text/plain; charset=utf-8",
    TranscriptFormat.SRT: "text/plain; charset=utf-8",
    TranscriptFormat.VTT: "text/vtt; charset=utf-8",
}


def transcript_format(name: str, *, param: str = "response_format") -> TranscriptFormat:
    """Raises:
    UnsupportedAudio: no such format.
    """
    try:
        return TranscriptFormat(name)
    except ValueError:
        raise UnsupportedAudio(f"{param} must be one of {', '.join(TranscriptFormat)}", param=param) from None


def json_body(transcript: Transcript) -> dict[str, Any]:
    return {"text": transcript.text, "usage": _usage(transcript)}


def verbose_body(transcript: Transcript, segments: Sequence[Segment], *, words: bool, with_segments: bool) -> dict[str, Any]:
    """``words`` and ``with_segments``: the granularities that were asked for."""
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": _LANGUAGE_NAMES.get(transcript.language or "", transcript.language or ""),
        "duration": transcript.audio_ms / 1000,
        "text": transcript.text,
        "usage": _usage(transcript),
    }
    if words:
        body["words"] = [{"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in transcript.words]
    if with_segments:
        body["segments"] = [_segment(number, segment) for number, segment in enumerate(segments)]
    return body


def srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered from 1, a comma before the milliseconds, a blank line after each."""
    return "".join(
        f"{number}\n{_clock(segment.span.start_ms, ',')} --> {_clock(segment.span.end_ms, ',')}\n{segment.transcript.text}\n\n"
        for number, segment in enumerate(segments, 1)
    )


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT."""
    cues = (
        f"{_clock(segment.span.start_ms, '.')} --> {_clock(segment.span.end_ms, '.')}\n{segment.transcript.text}\n\n"
        for segment in segments
    )
    return "WEBVTT\n\n" + "".join(cues)


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    text = segment.transcript.text
    return {
        "id": number,
        "seek": segment.span.start_ms // 10,
        "start": segment.span.start_ms / 1000,
        "end": segment.span.end_ms / 1000,
        "text": text,
        # The recognizer has no tokens, no temperature, and leaves out what it heard no speech in.
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": math.log(max(segment.transcript.confidence or 1.0, _LEAST)),
        "compression_ratio": len(text.encode()) / len(zlib.compress(text.encode())),
        "no_speech_prob": 0.0,
    }


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.audio_ms / 1000)}


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"
