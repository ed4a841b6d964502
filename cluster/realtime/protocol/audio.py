"""How audio is written, detected and improved: the parts of a session's ``audio`` object."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cluster.realtime.protocol.structs import UNSET, Received, UnsetType

BYTES_PER_MS = 48
"""Of the audio inside: 16-bit little-endian mono at 24 kHz."""


class Pcm(Received, tag_field="type", tag="audio/pcm", frozen=True, kw_only=True):
    """16-bit little-endian mono at 24 kHz; the schema knows no other rate."""

    rate: Literal[24000] = 24000


class Pcmu(Received, tag_field="type", tag="audio/pcmu", frozen=True, kw_only=True):
    """G.711 µ-law at 8 kHz."""


class Pcma(Received, tag_field="type", tag="audio/pcma", frozen=True, kw_only=True):
    """G.711 A-law at 8 kHz."""


AudioFormat = Pcm | Pcmu | Pcma


class NoiseReduction(Received, frozen=True, kw_only=True):
    type: Literal["near_field", "far_field"] | UnsetType = UNSET


class ServerVad(Received, tag_field="type", tag="server_vad", frozen=True, kw_only=True):
    """Turns end with silence. ``idle_timeout_ms``: how long after an answer a silent user is spoken to again."""

    threshold: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0, le=10000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30000)] | None = None


class SemanticVad(Received, tag_field="type", tag="semantic_vad", frozen=True, kw_only=True):
    """Turns end when what was said sounds finished. ``eagerness`` bounds the wait: 2 s (high), 4 s (medium, auto), 8 s (low)."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad


class Transcription(Received, frozen=True, kw_only=True):
    """How a client wants its speech transcribed. The recognizer is the cluster's; OpenAI's model names all stand for it."""

    model: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    language: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    languages: Annotated[list[Annotated[str, Meta(max_length=35)]], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    keywords: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=1000)] | UnsetType = UNSET
    prompt: Annotated[str, Meta(max_length=16384)] | UnsetType | None = UNSET
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType = UNSET


class CustomVoice(Received, frozen=True, kw_only=True):
    id: Annotated[str, Meta(min_length=1, max_length=64)]


Voice = Annotated[str, Meta(min_length=1, max_length=64)] | CustomVoice
Speed = Annotated[float, Meta(ge=0.25, le=1.5)]


class AudioInput(Received, frozen=True, kw_only=True):
    """``None`` turns transcription, noise reduction or turn detection off."""

    format: AudioFormat | UnsetType = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutput(Received, frozen=True, kw_only=True):
    format: AudioFormat | UnsetType = UNSET
    voice: Voice | UnsetType = UNSET
    speed: Speed | UnsetType = UNSET


class Audio(Received, frozen=True, kw_only=True):
    input: AudioInput | UnsetType = UNSET
    output: AudioOutput | UnsetType = UNSET


class ResponseAudioOutput(Received, frozen=True, kw_only=True):
    format: AudioFormat | UnsetType = UNSET
    voice: Voice | UnsetType = UNSET


class ResponseAudio(Received, frozen=True, kw_only=True):
    output: ResponseAudioOutput | UnsetType = UNSET


class TranscriptionAudio(Received, frozen=True, kw_only=True):
    input: AudioInput | UnsetType = UNSET
