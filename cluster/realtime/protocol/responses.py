"""Responses: what a client may ask of one, and how one is shown."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cluster.realtime.protocol.audio import AudioFormat, ResponseAudio
from cluster.realtime.protocol.items import InputItem, OwnItem
from cluster.realtime.protocol.session_objects import Modalities, Modality, Prompt, Reasoning, Temperature
from cluster.realtime.protocol.structs import UNSET, MaxOutputTokens, Metadata, Received, Sent, UnsetType
from cluster.realtime.protocol.tools import ToolChoice, Tools

MAX_INPUT_ITEMS = 1024

ResponseStatus = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
Reason = Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]


class ResponseParams(Received, frozen=True, kw_only=True):
    """Overrides for one response. ``temperature`` is the beta dialect's alone."""

    output_modalities: Modalities | UnsetType = UNSET
    instructions: str | UnsetType | None = UNSET
    audio: ResponseAudio | UnsetType = UNSET
    tools: Tools | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType | None = UNSET
    conversation: Literal["auto", "none"] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET
    input: Annotated[list[InputItem], Meta(max_length=MAX_INPUT_ITEMS)] | UnsetType = UNSET
    temperature: Temperature | UnsetType = UNSET


class StatusError(Sent, frozen=True, kw_only=True):
    type: str
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class StatusDetails(Sent, frozen=True, kw_only=True):
    type: Literal["completed", "cancelled", "failed", "incomplete"]
    reason: Reason | UnsetType = UNSET
    error: StatusError | UnsetType = UNSET


class CachedTokensDetails(Sent, frozen=True, kw_only=True):
    text_tokens: int
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokenDetails(Sent, frozen=True, kw_only=True):
    text_tokens: int
    audio_tokens: int
    cached_tokens: int
    cached_tokens_details: CachedTokensDetails
    image_tokens: int = 0


class OutputTokenDetails(Sent, frozen=True, kw_only=True):
    text_tokens: int
    audio_tokens: int


class ResponseUsage(Sent, frozen=True, kw_only=True):
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokenDetails
    output_token_details: OutputTokenDetails


class ShownResponseOutput(Sent, frozen=True, kw_only=True):
    format: AudioFormat
    voice: str


class ShownResponseAudio(Sent, frozen=True, kw_only=True):
    output: ShownResponseOutput


class Response(Sent, frozen=True, kw_only=True):
    """``conversation_id`` is missing for a response outside the conversation."""

    object: Literal["realtime.response"] = "realtime.response"
    id: str
    status: ResponseStatus
    status_details: StatusDetails | UnsetType = UNSET
    output: list[OwnItem]
    conversation_id: str | UnsetType = UNSET
    output_modalities: list[Modality]
    max_output_tokens: int | Literal["inf"]
    audio: ShownResponseAudio | UnsetType = UNSET
    usage: ResponseUsage | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
