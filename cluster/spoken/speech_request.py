"""``POST /v1/audio/speech``: what it asks for. Schema: openapi.yaml, ``CreateSpeechRequest``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cluster.inference.requests import json_body, problems
from cluster.inference.requests.fields import Strict
from cluster.inference.requests.limits import DEFAULT_LIMITS, RequestLimits
from cluster.inference.requests.sound import Voice, VoiceReference
from cluster.speech.audio.files import FileFormat
from cluster.speech.speaking import MAX_SPEED, MIN_SPEED


class SpeechFields(Strict):
    """The request body. ``instructions`` have no effect: no synthesizer here can be told how to speak."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    input: Annotated[str, Field(min_length=1)]
    voice: Voice
    instructions: Annotated[str, Field(max_length=4096)] | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """``events``: as server-sent events, not as the bytes of a file."""

    model: str
    text: str
    voice: str | VoiceReference
    format: FileFormat
    speed: float
    events: bool

    @classmethod
    def parse(cls, raw: bytes, *, limits: RequestLimits = DEFAULT_LIMITS) -> SpeechRequest:
        """Validate a body. Raises :class:`~cluster.errors.InvalidRequest`."""
        data = json_body.decode_object(raw, limits)
        if unknown := [name for name in data if name not in SpeechFields.model_fields]:
            raise problems.unrecognized(unknown)
        try:
            given = SpeechFields.model_validate(data)
        except ValidationError as error:
            raise problems.from_pydantic(error) from None
        return cls(
            model=given.model,
            text=given.input,
            voice=given.voice,
            format=writable_format(given.response_format or "mp3", param="response_format"),
            speed=given.speed if given.speed is not None else 1.0,
            events=given.stream_format == "sse",
        )


def writable_format(name: str, *, param: str) -> FileFormat:
    """The format of OpenAI's name. Raises :class:`~cluster.errors.InvalidRequest` for AAC."""
    if name == "aac":
        others = ", ".join(f"'{kind}'" for kind in FileFormat)
        raise problems.unsupported_value(param, f"AAC can't be written here. There are {others}.")
    return FileFormat("pcm" if name == "pcm16" else name)
