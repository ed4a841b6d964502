"""What requests say of voices and of spoken answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from cluster.inference.requests import problems
from cluster.inference.requests.fields import Strict


class VoiceReference(Strict):
    """How OpenAI's clients name a voice that is not built in."""

    id: Annotated[str, Field(min_length=1, max_length=256)]


def _voice_kind(value: object) -> str | None:
    return "<name>" if isinstance(value, str) else "<reference>" if isinstance(value, dict | VoiceReference) else None


Voice = Annotated[
    Annotated[Annotated[str, Field(min_length=1, max_length=256)], Tag("<name>")] | Annotated[VoiceReference, Tag("<reference>")],
    problems.by_kind("one of a string or object", _voice_kind),
]


class AudioOutput(Strict):
    """``audio`` of a chat request: how its answer is to be spoken."""

    voice: Voice
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class EarlierAudio(Strict):
    """``audio`` of an assistant's message: an earlier spoken answer, by its id or as it was."""

    id: Annotated[str, Field(min_length=1)]
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None
