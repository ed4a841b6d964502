"""The items of one response while they are made: each opens, takes pieces and closes, with the events that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.audio import AudioFormat
from cluster.realtime.protocol.items import Status
from cluster.realtime.protocol.server_events import ServerEvent, ShownPart
from cluster.realtime.session.emitter import Emitter
from cluster.realtime.session.items import StoredItem, StoredPart
from cluster.speech.contract import SpokenChunk
from cluster.speech.heard import SpokenText

AddItem = Callable[[StoredItem], str | None]
"""Puts an item into the conversation; returns the id of the one before it."""


class OutputItem:
    """``add``: ``None`` for a response outside the conversation, whose items nobody else sees."""

    def __init__(self, emitter: Emitter, response_id: str, output_index: int, item: StoredItem, add: AddItem | None) -> None:
        self.item = item
        self._emitter = emitter
        self._response_id = response_id
        self._output_index = output_index
        self._placed = add is not None
        self._previous = add(item) if add is not None else None
        item.status = "in_progress"
        item.response_id = response_id
        self._emit(events.OutputItemAdded, item=item.shown())
        if self._placed:
            emitter.send(events.ItemAdded, previous_item_id=self._previous, item=item.shown())

    @property
    def open(self) -> bool:
        return self.item.status == "in_progress"

    def _emit(self, kind: type[ServerEvent], *, format: AudioFormat | None = None, **fields: Any) -> None:
        self._emitter.send(kind, format=format, response_id=self._response_id, output_index=self._output_index, **fields)

    def _finish(self, status: Status) -> None:
        self.item.status = status
        self._emit(events.OutputItemDone, item=self.item.shown())
        if self._placed:
            self._emitter.send(events.ItemDone, previous_item_id=self._previous, item=self.item.shown())


class TextMessage(OutputItem):
    """A message of one text part."""

    def __init__(self, emitter: Emitter, response_id: str, output_index: int, item_id: str, add: AddItem | None) -> None:
        item = StoredItem(item_id, "message", role="assistant")
        super().__init__(emitter, response_id, output_index, item, add)
        self._part = StoredPart("output_text")
        item.parts.append(self._part)
        self._emit_part(events.ContentPartAdded, part=ShownPart(type="text", text=""))

    def write(self, text: str) -> None:
        self._part.text += text
        self._emit_part(events.TextDelta, delta=text)

    def close(self, status: Status) -> None:
        self._emit_part(events.TextDone, text=self._part.text)
        self._emit_part(events.ContentPartDone, part=ShownPart(type="text", text=self._part.text))
        self._finish(status)

    def _emit_part(self, kind: type[ServerEvent], **fields: Any) -> None:
        self._emit(kind, item_id=self.item.id, content_index=0, **fields)


class SpokenMessage(OutputItem):
    """A message of one audio part. Its transcript grows by whole clauses, each with the first of its audio."""

    def __init__(
        self,
        emitter: Emitter,
        response_id: str,
        output_index: int,
        item_id: str,
        add: AddItem | None,
        audio_format: AudioFormat,
        max_audio_bytes: int,
    ) -> None:
        self._format = audio_format
        self._max_audio_bytes = max_audio_bytes
        self._spoken = SpokenText()
        item = StoredItem(item_id, "message", role="assistant", spoken=self._spoken)
        super().__init__(emitter, response_id, output_index, item, add)
        self._audio: bytearray | None = bytearray()
        self._part = StoredPart("output_audio", transcript="", audio=self._audio)
        item.parts.append(self._part)
        self._emit_part(events.ContentPartAdded, part=ShownPart(type="audio", transcript=""))

    @property
    def audio_ms(self) -> int:
        return self._spoken.audio_ms

    def begin(self, clause: str) -> None:
        """A clause's audio follows (or nothing of it could be pronounced)."""
        self._spoken.begin(clause)
        self._part.transcript = self._spoken.text
        self._emit_part(events.AudioTranscriptDelta, delta=clause)

    def speak(self, chunk: SpokenChunk, now: float) -> None:
        self._spoken.add(chunk)
        if not chunk.pcm:
            return
        if self.item.first_audio_s is None:
            self.item.first_audio_s = now
        self._keep(chunk.pcm)
        self._part.audio_ms = self._spoken.audio_ms
        self._emit_part(events.AudioDelta, format=self._format, delta=chunk.pcm)

    def close(self, status: Status) -> None:
        transcript = self._spoken.text
        self._emit_part(events.AudioDone)
        self._emit_part(events.AudioTranscriptDone, transcript=transcript)
        self._emit_part(events.ContentPartDone, part=ShownPart(type="audio", transcript=transcript))
        self._finish(status)

    def _keep(self, pcm: bytes) -> None:
        """For later retrieval, unless it alone would be more than a session may keep."""
        if self._audio is None:
            return
        if len(self._audio) + len(pcm) > self._max_audio_bytes:
            self._audio = self._part.audio = None
        else:
            self._audio += pcm

    def _emit_part(self, kind: type[ServerEvent], *, format: AudioFormat | None = None, **fields: Any) -> None:
        self._emit(kind, format=format, item_id=self.item.id, content_index=0, **fields)


class CalledFunction(OutputItem):
    """A function call, its arguments streamed."""

    def __init__(
        self, emitter: Emitter, response_id: str, output_index: int, item_id: str, add: AddItem | None, call_id: str, name: str
    ) -> None:
        item = StoredItem(item_id, "function_call", call_id=call_id, name=name)
        super().__init__(emitter, response_id, output_index, item, add)

    def write(self, arguments: str) -> None:
        self.item.arguments += arguments
        self._emit(events.FunctionArgumentsDelta, item_id=self.item.id, call_id=self.item.call_id, delta=arguments)

    def close(self, status: Status) -> None:
        item = self.item
        self._emit(events.FunctionArgumentsDone, item_id=item.id, call_id=item.call_id, name=item.name, arguments=item.arguments)
        self._finish(status)
