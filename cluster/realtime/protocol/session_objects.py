"""What a session is set to: as clients ask for it, in parts, and as they are shown it, in full."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from cluster.realtime.protocol.audio import Audio, AudioFormat, NoiseReduction, Transcription, TranscriptionAudio, TurnDetection
from cluster.realtime.protocol.structs import UNSET, MaxOutputTokens, Received, Sent, UnsetType
from cluster.realtime.protocol.tools import Tool, ToolChoice, Tools

Modality = Literal["text", "audio"]
Modalities = Annotated[list[Modality], Meta(min_length=1, max_length=2)]
Include = Annotated[list[Literal["item.input_audio_transcription.logprobs"]], Meta(max_length=1)]
ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
Temperature = Annotated[float, Meta(ge=0.0, le=2.0)]


class Tracing(Received, frozen=True, kw_only=True):
    workflow_name: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET
    group_id: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class TokenLimits(Received, frozen=True, kw_only=True):
    post_instructions: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class RetentionRatio(Received, tag_field="type", tag="retention_ratio", frozen=True, kw_only=True):
    """What is kept of the context once it is full: a share of it, so that the beginning then stays the same for a while."""

    retention_ratio: Annotated[float, Meta(ge=0.0, le=1.0)]
    token_limits: TokenLimits | UnsetType = UNSET


Truncation = Literal["auto", "disabled"] | RetentionRatio


ReasoningEffort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]


class Reasoning(Received, frozen=True, kw_only=True):
    effort: ReasoningEffort | UnsetType | None = UNSET


class Prompt(Received, frozen=True, kw_only=True):
    """A prompt that is stored with OpenAI. Accepted because clients send it; there is no such store here."""

    id: str
    version: str | UnsetType | None = UNSET
    variables: dict[str, Any] | UnsetType | None = UNSET


class RealtimeSessionUpdate(Received, tag_field="type", tag="realtime", frozen=True, kw_only=True):
    """Changes to a session; what is ``UNSET`` stays as it is.

    ``temperature`` is the beta dialect's alone, the GA dialect refuses it.
    """

    model: ModelName | UnsetType = UNSET
    output_modalities: Modalities | UnsetType = UNSET
    instructions: str | UnsetType | None = UNSET
    audio: Audio | UnsetType = UNSET
    include: Include | UnsetType | None = UNSET
    tracing: Literal["auto"] | Tracing | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType | None = UNSET
    truncation: Truncation | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    temperature: Temperature | UnsetType = UNSET


class TranscriptionSessionUpdate(Received, tag_field="type", tag="transcription", frozen=True, kw_only=True):
    audio: TranscriptionAudio | UnsetType = UNSET
    include: Include | UnsetType | None = UNSET


SessionUpdateBody = RealtimeSessionUpdate | TranscriptionSessionUpdate


class ShownAudioInput(Sent, frozen=True, kw_only=True):
    format: AudioFormat
    transcription: Transcription | UnsetType = UNSET
    noise_reduction: NoiseReduction | UnsetType = UNSET
    turn_detection: TurnDetection | None = None


class ShownAudioOutput(Sent, frozen=True, kw_only=True):
    format: AudioFormat
    voice: str
    speed: float


class ShownAudio(Sent, frozen=True, kw_only=True):
    input: ShownAudioInput
    output: ShownAudioOutput | UnsetType = UNSET


class RealtimeSession(Sent, tag_field="type", tag="realtime", frozen=True, kw_only=True):
    """The whole of a session's settings. ``expires_at``: Unix seconds."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    expires_at: int
    output_modalities: list[Modality]
    instructions: str
    audio: ShownAudio
    tools: list[Tool]
    tool_choice: ToolChoice
    max_output_tokens: int | Literal["inf"]
    truncation: Truncation
    tracing: Literal["auto"] | Tracing | None
    prompt: Prompt | None
    include: list[str] | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    temperature: float | UnsetType = UNSET


class TranscriptionSession(Sent, tag_field="type", tag="transcription", frozen=True, kw_only=True):
    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int
    audio: ShownAudio
    include: list[str] | UnsetType = UNSET


Session = RealtimeSession | TranscriptionSession
