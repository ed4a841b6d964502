"""Every event that the server may send (GA dialect; the beta dialect is translated from it).

Those of MCP, of telephony and of diarized transcripts belong to the protocol and are complete here, but nothing in this cluster
causes them: see docs/realtime.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from cluster.realtime.protocol.items import Item
from cluster.realtime.protocol.responses import Response
from cluster.realtime.protocol.session_objects import Session
from cluster.realtime.protocol.structs import UNSET, Sent, UnsetType


class ServerEvent(Sent, tag_field="type", frozen=True, kw_only=True):
    event_id: str


# --- session and conversation ---------------------------------------------------------------------------------------------


class SessionCreated(ServerEvent, tag="session.created", frozen=True, kw_only=True):
    session: Session


class SessionUpdated(ServerEvent, tag="session.updated", frozen=True, kw_only=True):
    session: Session


class Conversation(Sent, frozen=True, kw_only=True):
    id: str
    object: Literal["realtime.conversation"] = "realtime.conversation"


class ConversationCreated(ServerEvent, tag="conversation.created", frozen=True, kw_only=True):
    conversation: Conversation


class EventError(Sent, frozen=True, kw_only=True):
    """``event_id``: of the client's event that caused it. ``type``, ``code`` and ``param`` as in an HTTP error."""

    type: str
    code: str | None
    message: str
    param: str | None
    event_id: str | None


class Error(ServerEvent, tag="error", frozen=True, kw_only=True):
    error: EventError


class RateLimit(Sent, frozen=True, kw_only=True):
    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class RateLimitsUpdated(ServerEvent, tag="rate_limits.updated", frozen=True, kw_only=True):
    rate_limits: list[RateLimit]


# --- items ----------------------------------------------------------------------------------------------------------------


class _PlacedItem(ServerEvent, frozen=True, kw_only=True):
    previous_item_id: str | None
    item: Item


class ItemCreated(_PlacedItem, tag="conversation.item.created", frozen=True, kw_only=True):
    """The beta dialect's form of :class:`ItemAdded`."""


class ItemAdded(_PlacedItem, tag="conversation.item.added", frozen=True, kw_only=True):
    pass


class ItemDone(_PlacedItem, tag="conversation.item.done", frozen=True, kw_only=True):
    pass


class ItemRetrieved(ServerEvent, tag="conversation.item.retrieved", frozen=True, kw_only=True):
    item: Item


class ItemDeleted(ServerEvent, tag="conversation.item.deleted", frozen=True, kw_only=True):
    item_id: str


class ItemTruncated(ServerEvent, tag="conversation.item.truncated", frozen=True, kw_only=True):
    item_id: str
    content_index: int
    audio_end_ms: int


# --- transcription of what the user said ----------------------------------------------------------------------------------


class TokenLogprob(Sent, frozen=True, kw_only=True):
    token: str
    logprob: float
    bytes: list[int]


class TranscriptTokenDetails(Sent, frozen=True, kw_only=True):
    text_tokens: int
    audio_tokens: int


class TranscriptTokens(Sent, tag_field="type", tag="tokens", frozen=True, kw_only=True):
    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TranscriptTokenDetails | UnsetType = UNSET


class TranscriptDuration(Sent, tag_field="type", tag="duration", frozen=True, kw_only=True):
    seconds: float


class TranscriptLanguage(Sent, frozen=True, kw_only=True):
    code: str


class _OfUserAudio(ServerEvent, frozen=True, kw_only=True):
    item_id: str
    content_index: int


class TranscriptionDelta(_OfUserAudio, tag="conversation.item.input_audio_transcription.delta", frozen=True, kw_only=True):
    delta: str
    logprobs: list[TokenLogprob] | UnsetType = UNSET


class TranscriptionCompleted(_OfUserAudio, tag="conversation.item.input_audio_transcription.completed", frozen=True, kw_only=True):
    transcript: str
    usage: TranscriptTokens | TranscriptDuration
    languages: list[TranscriptLanguage] | UnsetType = UNSET
    logprobs: list[TokenLogprob] | UnsetType = UNSET


class TranscriptionSegment(_OfUserAudio, tag="conversation.item.input_audio_transcription.segment", frozen=True, kw_only=True):
    id: str
    text: str
    speaker: str
    start: float
    end: float


class TranscriptionError(Sent, frozen=True, kw_only=True):
    type: str
    code: str
    message: str


class TranscriptionFailed(_OfUserAudio, tag="conversation.item.input_audio_transcription.failed", frozen=True, kw_only=True):
    error: TranscriptionError


# --- audio buffers --------------------------------------------------------------------------------------------------------


class InputAudioCommitted(ServerEvent, tag="input_audio_buffer.committed", frozen=True, kw_only=True):
    previous_item_id: str | None
    item_id: str


class InputAudioCleared(ServerEvent, tag="input_audio_buffer.cleared", frozen=True, kw_only=True):
    pass


class SpeechStarted(ServerEvent, tag="input_audio_buffer.speech_started", frozen=True, kw_only=True):
    audio_start_ms: int
    item_id: str


class SpeechStopped(ServerEvent, tag="input_audio_buffer.speech_stopped", frozen=True, kw_only=True):
    audio_end_ms: int
    item_id: str


class TimeoutTriggered(ServerEvent, tag="input_audio_buffer.timeout_triggered", frozen=True, kw_only=True):
    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class DtmfReceived(Sent, tag_field="type", tag="input_audio_buffer.dtmf_event_received", frozen=True, kw_only=True):
    event: str
    received_at: int


class OutputAudioStarted(ServerEvent, tag="output_audio_buffer.started", frozen=True, kw_only=True):
    response_id: str


class OutputAudioStopped(ServerEvent, tag="output_audio_buffer.stopped", frozen=True, kw_only=True):
    response_id: str


class OutputAudioCleared(ServerEvent, tag="output_audio_buffer.cleared", frozen=True, kw_only=True):
    response_id: str


# --- responses ------------------------------------------------------------------------------------------------------------


class ResponseCreated(ServerEvent, tag="response.created", frozen=True, kw_only=True):
    response: Response


class ResponseDone(ServerEvent, tag="response.done", frozen=True, kw_only=True):
    response: Response


class _OfOutputItem(ServerEvent, frozen=True, kw_only=True):
    response_id: str
    output_index: int


class OutputItemAdded(_OfOutputItem, tag="response.output_item.added", frozen=True, kw_only=True):
    item: Item


class OutputItemDone(_OfOutputItem, tag="response.output_item.done", frozen=True, kw_only=True):
    item: Item


class ShownPart(Sent, frozen=True, kw_only=True):
    type: Literal["audio", "text"]
    text: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET


class _OfPart(_OfOutputItem, frozen=True, kw_only=True):
    item_id: str
    content_index: int


class ContentPartAdded(_OfPart, tag="response.content_part.added", frozen=True, kw_only=True):
    part: ShownPart


class ContentPartDone(_OfPart, tag="response.content_part.done", frozen=True, kw_only=True):
    part: ShownPart


class TextDelta(_OfPart, tag="response.output_text.delta", frozen=True, kw_only=True):
    delta: str


class TextDone(_OfPart, tag="response.output_text.done", frozen=True, kw_only=True):
    text: str


class AudioTranscriptDelta(_OfPart, tag="response.output_audio_transcript.delta", frozen=True, kw_only=True):
    delta: str


class AudioTranscriptDone(_OfPart, tag="response.output_audio_transcript.done", frozen=True, kw_only=True):
    transcript: str


class AudioDelta(_OfPart, tag="response.output_audio.delta", frozen=True, kw_only=True):
    """``delta``: base64 on the wire, in the response's output format."""

    delta: bytes


class AudioDone(_OfPart, tag="response.output_audio.done", frozen=True, kw_only=True):
    pass


class FunctionArgumentsDelta(_OfOutputItem, tag="response.function_call_arguments.delta", frozen=True, kw_only=True):
    item_id: str
    call_id: str
    delta: str


class FunctionArgumentsDone(_OfOutputItem, tag="response.function_call_arguments.done", frozen=True, kw_only=True):
    item_id: str
    call_id: str
    name: str
    arguments: str


# --- MCP ------------------------------------------------------------------------------------------------------------------


class _OfMcpList(ServerEvent, frozen=True, kw_only=True):
    item_id: str


class McpListInProgress(_OfMcpList, tag="mcp_list_tools.in_progress", frozen=True, kw_only=True):
    pass


class McpListCompleted(_OfMcpList, tag="mcp_list_tools.completed", frozen=True, kw_only=True):
    pass


class McpListFailed(_OfMcpList, tag="mcp_list_tools.failed", frozen=True, kw_only=True):
    pass


class _OfMcpCall(ServerEvent, frozen=True, kw_only=True):
    output_index: int
    item_id: str


class McpCallInProgress(_OfMcpCall, tag="response.mcp_call.in_progress", frozen=True, kw_only=True):
    pass


class McpCallCompleted(_OfMcpCall, tag="response.mcp_call.completed", frozen=True, kw_only=True):
    pass


class McpCallFailed(_OfMcpCall, tag="response.mcp_call.failed", frozen=True, kw_only=True):
    pass


class McpArgumentsDelta(_OfMcpCall, tag="response.mcp_call_arguments.delta", frozen=True, kw_only=True):
    response_id: str
    delta: str
    obfuscation: str | UnsetType | None = UNSET


class McpArgumentsDone(_OfMcpCall, tag="response.mcp_call_arguments.done", frozen=True, kw_only=True):
    response_id: str
    arguments: str


def event_type(event: ServerEvent | DtmfReceived) -> str:
    """The event's ``type`` on the wire."""
    return str(type(event).__struct_config__.tag)


def _leaves(kind: type[Sent]) -> Iterator[tuple[str, type[Sent]]]:
    """What has no class below it is sent; the others only hold fields that several events share."""
    below = kind.__subclasses__()
    if not below:
        yield str(kind.__struct_config__.tag), kind
    for leaf in below:
        yield from _leaves(leaf)


SERVER_EVENTS: dict[str, type[Sent]] = dict([*_leaves(ServerEvent), *_leaves(DtmfReceived)])
"""Every server event by its type."""

encode = msgspec.json.Encoder().encode
"""An event as JSON."""
