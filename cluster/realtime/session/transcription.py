"""Telling a client what was recognized, if it asked to be told."""

from __future__ import annotations

from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.server_events import TranscriptDuration, TranscriptionError, TranscriptLanguage
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.session.core import Core
from cluster.realtime.session.items import StoredItem
from cluster.speech.contract import Transcript


def announce_transcript(core: Core, item: StoredItem, index: int, transcript: Transcript) -> None:
    """``index``: of the content part."""
    if core.config.input.transcription is None:
        return
    text = item.parts[index].transcript or ""
    if text:
        core.emitter.send(events.TranscriptionDelta, item_id=item.id, content_index=index, delta=text)
    core.emitter.send(
        events.TranscriptionCompleted,
        item_id=item.id,
        content_index=index,
        transcript=text,
        usage=TranscriptDuration(seconds=item.parts[index].audio_ms / 1000),
        languages=[TranscriptLanguage(code=transcript.language)] if transcript.language else UNSET,
    )


def announce_failure(core: Core, item: StoredItem, index: int, code: str, message: str) -> None:
    if core.config.input.transcription is None:
        return
    error = TranscriptionError(type="transcription_error", code=code, message=message)
    core.emitter.send(events.TranscriptionFailed, item_id=item.id, content_index=index, error=error)
