"""Realtime sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cluster.config.settings.models import ModelId
from cluster.config.settings.section import Section


class RealtimeSettings(Section):
    """Realtime sessions: conversations over a WebSocket at `/v1/realtime` or a gRPC call."""

    enabled: bool = Field(True, description="Serve realtime sessions.")
    default_model: ModelId | None = Field(
        None,
        description="Model of sessions that name none, or one of OpenAI's realtime models. Unset: they must name one of `models`.",
    )
    instructions: str = Field(
        "You are a helpful assistant in a spoken conversation. Answer briefly, in plain sentences.",
        max_length=65536,
        description="Instructions of sessions that set none.",
    )
    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = Field(
        "low",
        description="How long the model thinks before it speaks, in sessions that don't say (`reasoning.effort`); nothing is heard "
        "while it does. Unset: the model's own default. Models that don't reason ignore it.",
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="Sampling temperature of sessions that set none; those of the current protocol can't. Unset: the model's own.",
    )
    max_sessions: int = Field(500, ge=1, description="Sessions that one gateway holds at a time; more get 503.")
    max_sessions_per_organization: int = Field(
        100, ge=1, description="Sessions of one organization that one gateway holds at a time; more get 429."
    )
    max_session_s: float = Field(3600.0, gt=0, description="Longest life of a session, in seconds.")
    idle_timeout_s: float = Field(
        900.0, gt=0, description="How long a client may send nothing at all before its session is ended, in seconds."
    )
    write_timeout_s: float = Field(
        30.0, gt=0, description="Longest wait for a client to take an event, in seconds; then its session is ended."
    )
    max_frame_bytes: int = Field(
        16 << 20,
        ge=64 << 10,
        description="Largest event of a client, in bytes. The web server takes no WebSocket message above 16 MiB.",
    )
    max_unsent_bytes: int = Field(
        1 << 20,
        ge=64 << 10,
        description="Events that may wait for a slow client, in bytes, before its answer pauses; at four times that, nothing more "
        "is read from it.",
    )
    max_input_audio_bytes: int = Field(
        15 << 20,
        ge=1 << 20,
        description="Audio of a session that waits to be committed, in bytes (48,000 a second). A turn that reaches it ends.",
    )
    max_kept_audio_bytes: int = Field(
        32 << 20,
        ge=0,
        description="Audio of a session's items that is kept to be retrieved, in bytes; the oldest is forgotten first.",
    )
    max_text_chars: int = Field(4 << 20, ge=64 << 10, description="Text of all of a session's items, in characters.")
    max_items: int = Field(1000, ge=10, description="Items of a session's conversation.")
    max_responses: int = Field(4, ge=2, description="Responses of a session in progress, one place always the conversation's own.")
    early_recognition: bool = Field(
        True, description="Recognize in the silence that may end a turn, so that the words are there when it does."
    )
    early_generation: bool = Field(
        False,
        description="Answer in that silence, too; what turns out to have been too early is thrown away, and has cost tokens.",
    )
    heard_by_clock: bool = Field(
        True,
        description="Take an interrupted answer as heard for no longer than its audio was out, if the client says nothing better.",
    )
