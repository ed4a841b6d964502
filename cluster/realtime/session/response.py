"""One response, from ``response.created`` to its one ``response.done``.

| phase      | on                          | next       | does                                                        |
|------------|-----------------------------|------------|-------------------------------------------------------------|
| waiting    | all words known             | generating | starts the generation                                       |
| generating | text, tool calls            | generating | opens items, sends deltas, starts to speak whole clauses    |
| generating | end, clauses left to speak  | speaking   | closes function calls                                       |
| generating | end, nothing left to speak  | done       | closes all items, ``response.done``                         |
| speaking   | a clause's audio ends       | speaking   | starts the next clause                                      |
| speaking   | the last clause's audio ends| done       | closes the message, ``response.done``                       |
| any        | cancel, failure             | done       | cancels work, closes all items, ``response.done``           |
| done       | anything                    | done       | nothing                                                     |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.usage import Usage
from cluster.realtime.protocol import responses as wire
from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.audio import AudioFormat
from cluster.realtime.protocol.items import Status
from cluster.realtime.protocol.responses import Reason, ResponseStatus, StatusDetails, StatusError
from cluster.realtime.protocol.session_objects import Modality, Truncation
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.session.actions import (
    CancelGeneration,
    CancelSpeech,
    DropUnsentAudio,
    Stage,
    StartGeneration,
    StartSpeech,
)
from cluster.realtime.session.context import Asked
from cluster.realtime.session.emitter import Emitter
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.output_items import AddItem, CalledFunction, SpokenMessage, TextMessage
from cluster.realtime.session.turn_timer import TurnTimer
from cluster.realtime.session.usage import response_usage
from cluster.speech.contract import SpokenChunk
from cluster.speech.text.clauses import ClauseSplitter


class Phase(StrEnum):
    WAITING = "waiting"
    GENERATING = "generating"
    SPEAKING = "speaking"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What a response is to be: settings under overrides. ``items``: its context, ``None`` for the conversation's.

    ``voice`` is the client's name for it, ``speaker`` the synthesizer's. ``in_conversation``: whether its items join it.
    """

    asked: Asked
    modality: Modality
    voice: str
    speaker: str
    speed: float
    output_format: AudioFormat
    truncation: Truncation
    in_conversation: bool = True
    items: Sequence[StoredItem] | None = None
    metadata: dict[str, str] | None = None


class Response:
    """``add``: puts its items into the conversation, ``None`` outside of it. ``max_audio_bytes``: kept of its audio at most."""

    def __init__(
        self,
        response_id: str,
        plan: ResponsePlan,
        emitter: Emitter,
        conversation_id: str | None,
        add: AddItem | None,
        max_audio_bytes: int,
        timer: TurnTimer | None = None,
    ) -> None:
        self.id = response_id
        self.plan = plan
        self.phase = Phase.WAITING
        self.generation_id: str | None = None
        self.synthesis_id: str | None = None
        self.heard_ms = 0
        """Length of the user's audio that is charged to it."""
        self.attempts = 0
        self.prompt_bytes = 0
        """Size of the messages that it was asked with, as JSON."""
        self._emitter = emitter
        self._conversation_id = conversation_id
        self._add = add
        self._max_audio_bytes = max_audio_bytes
        self._timer = timer
        self._items: list[TextMessage | SpokenMessage | CalledFunction] = []
        self._message: TextMessage | SpokenMessage | None = None
        self._calls: dict[int, CalledFunction] = {}
        self._blank = ""
        self._splitter = ClauseSplitter()
        self._clauses: deque[str] = deque()
        self._speaking: str | None = None
        """The clause whose audio is being made, until its first piece has come."""
        self._muted = False
        self._usage: Usage | None = None
        self._finish_reason = "stop"
        emitter.send(events.ResponseCreated, response=self._shown("in_progress"))

    # --- what it is -------------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        return self.phase is Phase.DONE

    @property
    def has_output(self) -> bool:
        return bool(self._items)

    @property
    def items(self) -> list[StoredItem]:
        return [output.item for output in self._items]

    @property
    def spoken_item(self) -> StoredItem | None:
        return self._message.item if isinstance(self._message, SpokenMessage) else None

    # --- generation -------------------------------------------------------------------------------------------------------

    def generate(self, request: ChatCompletionRequest) -> None:
        self.adopt(self._emitter.new_id("gen"))
        assert self.generation_id is not None
        self._emitter.do(StartGeneration(self.generation_id, request))

    def adopt(self, generation_id: str) -> None:
        """Take a generation that has been started already."""
        self.phase = Phase.GENERATING
        self.generation_id = generation_id
        self.attempts += 1

    def text(self, text: str, now: float) -> None:
        if self.phase is not Phase.GENERATING or not text:
            return
        self._mark(Stage.FIRST_TOKEN, now)
        if self._message is None:
            # A message is not opened for blanks alone: models write some before a tool call.
            self._blank += text
            if not self._blank.strip():
                return
            text, self._blank = self._blank, ""
            self._message = self._open_message()
        if isinstance(self._message, TextMessage):
            self._message.write(text)
        else:
            self._say(self._splitter.push(text), now)

    def tool_call(self, index: int, call_id: str | None, name: str | None, arguments: str, now: float) -> None:
        if self.phase is not Phase.GENERATING:
            return
        self._mark(Stage.FIRST_TOKEN, now)
        call = self._calls.get(index)
        if call is None:
            if not name:
                return
            new_id = self._emitter.new_id
            call = CalledFunction(
                self._emitter, self.id, len(self._items), new_id("item"), self._add, call_id or new_id("call"), name
            )
            self._items.append(call)
            self._calls[index] = call
        if arguments:
            call.write(arguments)

    def generation_ended(self, finish_reason: str, usage: Usage | None, now: float) -> None:
        if self.phase is not Phase.GENERATING:
            return
        self.generation_id = None
        self._finish_reason, self._usage = finish_reason, usage
        status = self._item_status
        for call in self._calls.values():
            call.close(status)
        if isinstance(self._message, SpokenMessage):
            self._say(self._splitter.end(), now)
        if self._speaking is not None or self.synthesis_id is not None or self._clauses:
            self.phase = Phase.SPEAKING
        else:
            self._complete()

    # --- speech -----------------------------------------------------------------------------------------------------------

    def speech(self, chunk: SpokenChunk, now: float) -> None:
        message = self._message
        if self.done or not isinstance(message, SpokenMessage):
            return
        self._announce(message)
        if chunk.pcm:
            self._mark(Stage.FIRST_AUDIO, now)
        message.speak(chunk, now)

    def speech_ended(self) -> None:
        message = self._message
        if self.done or not isinstance(message, SpokenMessage):
            return
        self._announce(message)
        self.synthesis_id = None
        if self._clauses:
            self._speak_next()
        elif self.phase is Phase.SPEAKING:
            self._complete()

    def mute(self) -> None:
        """Say nothing more; what is still to come is written only."""
        if self.done or self._muted:
            return
        self._muted = True
        self._emitter.do(DropUnsentAudio(self.id))
        message = self._message
        if self.synthesis_id is not None:
            self._emitter.do(CancelSpeech(self.synthesis_id))
            self.synthesis_id = None
        if isinstance(message, SpokenMessage):
            self._announce(message)
            while self._clauses:
                message.begin(self._clauses.popleft())
            if self.phase is Phase.SPEAKING:
                self._complete()

    # --- its end ----------------------------------------------------------------------------------------------------------

    def cancel(self, reason: Reason) -> None:
        self._stop("cancelled", StatusDetails(type="cancelled", reason=reason))

    def fail(self, type: str, code: str, message: str) -> None:
        self._stop("failed", StatusDetails(type="failed", error=StatusError(type=type, code=code, message=message)))

    def _stop(self, status: ResponseStatus, details: StatusDetails) -> None:
        if self.done:
            return
        if self.generation_id is not None:
            self._emitter.do(CancelGeneration(self.generation_id))
        if self.synthesis_id is not None:
            self._emitter.do(CancelSpeech(self.synthesis_id))
        self._emitter.do(DropUnsentAudio(self.id))
        self.generation_id = self.synthesis_id = None
        self._clauses.clear()
        self._close("incomplete")
        self._end(status, details)

    def _complete(self) -> None:
        status = self._item_status
        self._close(status)
        if status == "completed":
            self._end("completed", None)
            return
        reason: Reason = "content_filter" if self._finish_reason == "content_filter" else "max_output_tokens"
        self._end("incomplete", StatusDetails(type="incomplete", reason=reason))

    @property
    def _item_status(self) -> Status:
        return "incomplete" if self._finish_reason in ("length", "content_filter") else "completed"

    def _close(self, status: Status) -> None:
        for output in self._items:
            if output.open:
                output.close(status)

    def _end(self, status: ResponseStatus, details: StatusDetails | None) -> None:
        self.phase = Phase.DONE
        self._emitter.send(events.ResponseDone, response=self._shown(status, details, with_usage=True))

    # --- details ----------------------------------------------------------------------------------------------------------

    def _open_message(self) -> TextMessage | SpokenMessage:
        item_id, index = self._emitter.new_id("item"), len(self._items)
        message: TextMessage | SpokenMessage
        if self.plan.modality == "text":
            message = TextMessage(self._emitter, self.id, index, item_id, self._add)
        else:
            message = SpokenMessage(
                self._emitter, self.id, index, item_id, self._add, self.plan.output_format, self._max_audio_bytes
            )
        self._items.append(message)
        return message

    def _say(self, clauses: Sequence[str], now: float) -> None:
        if not clauses:
            return
        self._mark(Stage.FIRST_CLAUSE, now)
        message = self._message
        if self._muted and isinstance(message, SpokenMessage):
            for clause in clauses:
                message.begin(clause)
            return
        self._clauses.extend(clauses)
        if self.synthesis_id is None:
            self._speak_next()

    def _speak_next(self) -> None:
        """One clause at a time: synthesis is faster than speech, and what is not begun costs nothing to take back."""
        clause = self._clauses.popleft()
        self.synthesis_id = self._emitter.new_id("speech")
        self._speaking = clause
        self._emitter.do(StartSpeech(self.synthesis_id, clause, self.plan.speaker, self.plan.speed))

    def _announce(self, message: SpokenMessage) -> None:
        clause, self._speaking = self._speaking, None
        if clause is not None:
            message.begin(clause)

    def _mark(self, stage: Stage, now: float) -> None:
        if self._timer is not None:
            self._timer.mark(stage, now)

    def _shown(self, status: ResponseStatus, details: StatusDetails | None = None, *, with_usage: bool = False) -> wire.Response:
        plan = self.plan
        limit: int | Literal["inf"] = plan.asked.max_output_tokens if plan.asked.max_output_tokens is not None else "inf"
        spoken_ms = self._message.audio_ms if isinstance(self._message, SpokenMessage) else 0
        shown_audio = wire.ShownResponseAudio(output=wire.ShownResponseOutput(format=plan.output_format, voice=plan.voice))
        return wire.Response(
            id=self.id,
            status=status,
            status_details=details if details is not None else UNSET,
            output=[output.item.shown() for output in self._items],
            conversation_id=self._conversation_id if self._conversation_id is not None else UNSET,
            output_modalities=[plan.modality],
            max_output_tokens=limit,
            audio=shown_audio if plan.modality == "audio" else UNSET,
            usage=response_usage(self._usage, self.heard_ms, spoken_ms) if with_usage else UNSET,
            metadata=plan.metadata if plan.metadata is not None else UNSET,
            temperature=plan.asked.temperature if plan.asked.temperature is not None else UNSET,
        )
