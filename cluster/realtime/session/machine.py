"""A realtime session as a state machine: inputs go in with the time, actions come out. No sockets, no tasks, no clock of its own.

It holds two smaller machines, which know each other by a few calls: :class:`~cluster.realtime.session.hearing.Hearing` for what the
user says, :class:`~cluster.realtime.session.answering.Answering` for what the model answers. docs/realtime.md has all tables.

| state  | on                                  | next   | does                                                       |
|--------|-------------------------------------|--------|------------------------------------------------------------|
| new    | start                               | open   | ``session.created``, ``conversation.created``              |
| open   | any input                           | open   | what the tables of hearing and answering say               |
| open   | a client's event that can't be done | open   | ``error`` with the event's id; nothing else has changed    |
| open   | its time is over                    | closed | cancels all work, ``error`` ``session_expired``, close 1001|
| closed | anything                            | closed | nothing                                                    |
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from cluster.errors import OssatureError
from cluster.realtime.protocol import client_events as client
from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import EventError, RateLimit
from cluster.realtime.protocol.session_objects import RealtimeSessionUpdate, Session, TranscriptionSessionUpdate
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.session import inputs
from cluster.realtime.session.actions import Action, Close
from cluster.realtime.session.answering import Answering
from cluster.realtime.session.configuration import SessionConfig
from cluster.realtime.session.context import Asked, chat_request
from cluster.realtime.session.conversation import Conversation
from cluster.realtime.session.core import Core
from cluster.realtime.session.emitter import Emitter, NewId
from cluster.realtime.session.hearing import Hearing, State
from cluster.realtime.session.items import StoredItem
from cluster.realtime.session.limits import Abilities, Behaviour, SessionLimits
from cluster.realtime.session.planning import own_item
from cluster.realtime.session.playback import truncate

Input = client.ClientEvent | inputs.EventInvalid | inputs.Tick | inputs.Turn | inputs.WorkResult

GOING_AWAY = 1001


class Life(StrEnum):
    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class SessionMachine:
    """``now``, here and below: seconds of one monotonic clock, never falling. ``expires_at``: Unix seconds, to show.

    After each call the driver carries out the returned actions, and calls again with a tick at :attr:`wakeup_s`.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        new_id: NewId,
        *,
        now: float,
        expires_at: int,
        limits: SessionLimits | None = None,
        behaviour: Behaviour | None = None,
        abilities: Abilities | None = None,
        rate_limits: Callable[[], list[RateLimit]] = list,
    ) -> None:
        limits = limits if limits is not None else SessionLimits()
        self._core = Core(
            session_id=session_id,
            conversation_id=new_id("conv"),
            config=config,
            limits=limits,
            behaviour=behaviour if behaviour is not None else Behaviour(),
            abilities=abilities if abilities is not None else Abilities(),
            conversation=Conversation(limits),
            emitter=Emitter(new_id),
        )
        self._life = Life.NEW
        self._expires_s = now + limits.max_duration_s
        self._expires_at = expires_at
        self._answering = Answering(self._core, rate_limits)
        self._hearing = Hearing(self._core, self._answering)

    @property
    def config(self) -> SessionConfig:
        return self._core.config

    @property
    def closed(self) -> bool:
        return self._life is Life.CLOSED

    @property
    def listens(self) -> bool:
        """Whether it can do anything with audio."""
        return self._core.abilities.recognition or self._core.behaviour.model_hears

    @property
    def heard_ms(self) -> int:
        """All audio that the session was sent, in milliseconds."""
        return self._hearing.end_ms

    @property
    def wakeup_s(self) -> float:
        """When the next tick is due."""
        idle = self._answering.idle_at_s
        return self._expires_s if idle is None else min(idle, self._expires_s)

    @property
    def held_bytes(self) -> int:
        """Audio and text that the session holds now."""
        return self._hearing.held_bytes + self._core.conversation.audio_bytes + self._core.conversation.text_chars

    def start(self, now: float) -> list[Action]:
        core = self._core
        self._life = Life.OPEN
        core.emitter.send(events.SessionCreated, session=self._shown())
        core.emitter.send(events.ConversationCreated, conversation=events.Conversation(id=core.conversation_id))
        self._hearing.configure()
        return core.emitter.taken()

    def handle(self, given: Input, now: float) -> list[Action]:
        """What is to be done about one input."""
        if self._life is not Life.OPEN:
            return []
        if now >= self._expires_s:
            self._expire()
        else:
            try:
                self._take(given, now)
            except EventRefused as refused:
                self._refuse(refused, getattr(given, "event_id", None))
        return self._core.emitter.taken()

    def end(self) -> list[Action]:
        """The client is gone: what is to be cancelled."""
        if self._life is Life.OPEN:
            self._life = Life.CLOSED
            self._answering.responses.forget_all()
        return self._core.emitter.taken()

    # --- inputs -----------------------------------------------------------------------------------------------------------

    def _take(self, given: Input, now: float) -> None:
        match given:
            case client.InputAudioAppend():
                self._append(given.audio, now)
            case inputs.SpeechMade() | inputs.SpeechEnded() | inputs.SpeechMakingFailed():
                self._answering.spoken(given, now)
            case inputs.TextGenerated() | inputs.ToolCallGenerated() | inputs.GenerationEnded() | inputs.GenerationFailed():
                self._answering.generated(given, now)
            case inputs.Turn():
                self._hearing.turn(given.event, now)
            case inputs.RecognitionSettled():
                self._hearing.settled(given.recognition_id, given.transcript)
            case inputs.RecognitionFinished():
                self._hearing.finished(given.recognition_id, given.transcript, now)
            case inputs.RecognitionFailed():
                self._hearing.failed(given.recognition_id, given.code, given.message, now)
            case inputs.Tick():
                self._tick(now)
            case inputs.EventInvalid():
                raise given.refusal
            case _:
                self._client(given, now)

    def _client(self, event: client.ClientEvent, now: float) -> None:
        match event:
            case client.SessionUpdate():
                self._update(event)
            case client.InputAudioCommit():
                self._hearing.commit(now)
            case client.InputAudioClear():
                self._hearing.clear()
            case client.OutputAudioClear():
                self._clear_output()
            case client.ItemCreate():
                self._create_item(event, now)
            case client.ItemRetrieve():
                self._core.emitter.send(
                    events.ItemRetrieved, item=self._item(event.item_id, "item_retrieve_invalid_item_id").shown(with_audio=True)
                )
            case client.ItemTruncate():
                truncate(self._item(event.item_id, "item_truncate_invalid_item_id"), event.content_index, event.audio_end_ms)
                self._core.emitter.send(
                    events.ItemTruncated,
                    item_id=event.item_id,
                    content_index=event.content_index,
                    audio_end_ms=event.audio_end_ms,
                )
            case client.ItemDelete():
                self._delete_item(event, now)
            case client.ResponseCreate():
                self._require_answers("response.create")
                self._answering.create(event.response if event.response is not UNSET else None, now)
            case client.ResponseCancel():
                self._answering.cancel(event.response_id, now)

    def _append(self, pcm: bytes, now: float) -> None:
        if not self.listens:
            raise EventRefused("audio_unavailable", "This server has no speech recognition: send text items instead of audio.")
        self._hearing.append(pcm, now)

    def _tick(self, now: float) -> None:
        idle = self._answering.idle_at_s
        if idle is None or now < idle:
            return
        self._answering.idle_at_s = None
        if self._answering.busy or self._hearing.state is not State.QUIET:
            return
        core = self._core
        end_ms = self._hearing.end_ms
        start_ms, item = self._hearing.commit_silence()
        core.emitter.send(events.TimeoutTriggered, audio_start_ms=start_ms, audio_end_ms=end_ms, item_id=item.id)
        previous = core.add_own_item(item)
        core.emitter.send(events.InputAudioCommitted, previous_item_id=previous, item_id=item.id)
        core.emitter.send(events.ItemAdded, previous_item_id=previous, item=item.shown())
        core.emitter.send(events.ItemDone, previous_item_id=previous, item=item.shown())
        self._answering.answer_silence(now)

    # --- settings ---------------------------------------------------------------------------------------------------------

    def _update(self, event: client.SessionUpdate) -> None:
        core, change = self._core, event.session
        used = len(core.conversation) > 0 or self._hearing.end_ms > 0
        kind = "transcription" if isinstance(change, TranscriptionSessionUpdate) else "realtime"
        if kind != core.config.kind and used:
            raise EventRefused("invalid_value", f"A {core.config.kind} session can't become another one.", param="session.type")
        if isinstance(change, RealtimeSessionUpdate) and self._answering.spoken_item is not None:
            self._check_voice_kept(change)
        updated = core.config.updated(change, core.abilities, core.behaviour)
        if isinstance(change, RealtimeSessionUpdate):
            _check_answerable(updated)
        heard_before = (core.config.input.turn_detection, core.config.input.noise_reduction)
        core.config = updated
        self._hearing.configure(changed=heard_before != (updated.input.turn_detection, updated.input.noise_reduction))
        core.emitter.send(events.SessionUpdated, session=self._shown())

    def _check_voice_kept(self, change: RealtimeSessionUpdate) -> None:
        output = change.audio.output if change.audio is not UNSET else UNSET
        voice = output.voice if output is not UNSET else UNSET
        if voice is not UNSET and (voice if isinstance(voice, str) else voice.id) != self._core.config.voice:
            raise EventRefused(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                param="session.audio.output.voice",
            )

    # --- items ------------------------------------------------------------------------------------------------------------

    def _create_item(self, event: client.ItemCreate, now: float) -> None:
        core = self._core
        self._require_answers("conversation.item.create")
        item = own_item(core, event.item, "item")
        if item.kind == "function_call_output" and not core.conversation.has_call(item.call_id):
            raise EventRefused(
                "invalid_tool_call_id", f"Tool call ID '{item.call_id[:100]}' not found in conversation.", param="item.call_id"
            )
        core.conversation.check_room(item)
        previous = core.conversation.insert(item, event.previous_item_id)
        core.emitter.send(events.ItemAdded, previous_item_id=previous, item=item.shown())
        self._hearing.recognize(item)
        core.emitter.send(events.ItemDone, previous_item_id=previous, item=item.shown())
        core.conversation.bound_audio()

    def _delete_item(self, event: client.ItemDelete, now: float) -> None:
        item = self._item(event.item_id, "item_delete_invalid_item_id")
        if item.status == "in_progress":
            raise EventRefused(
                "item_delete_in_progress", "The item is still being made; cancel its response first.", param="item_id"
            )
        self._core.conversation.remove(item)
        self._hearing.item_removed(item)
        self._core.emitter.send(events.ItemDeleted, item_id=item.id)
        self._answering.item_removed(item, now)

    def _item(self, item_id: str, code: str) -> StoredItem:
        item = self._core.conversation.find(item_id)
        if item is None:
            raise EventRefused(code, f"Item with item_id '{item_id[:100]}' not found.", param="item_id")
        return item

    def _clear_output(self) -> None:
        response_id = self._answering.mute()
        if response_id is not None:
            self._core.emitter.send(events.OutputAudioCleared, response_id=response_id)

    # --- details ----------------------------------------------------------------------------------------------------------

    def _require_answers(self, what: str) -> None:
        if self._core.config.kind == "transcription":
            raise EventRefused("invalid_value", f"'{what}' is not available in a transcription session.", param="type")

    def _shown(self) -> Session:
        return self._core.config.shown(self._core.session_id, self._expires_at)

    def _refuse(self, refused: EventRefused, event_id: str | None) -> None:
        error = EventError(
            type=refused.type,
            code=refused.code,
            message=refused.message,
            param=refused.param,
            event_id=refused.event_id or event_id,
        )
        self._core.emitter.send(events.Error, error=error)

    def _expire(self) -> None:
        minutes = self._core.limits.max_duration_s / 60
        message = f"Your session hit the maximum duration of {minutes:g} minutes."
        self._answering.responses.forget_all()
        self._refuse(EventRefused("session_expired", message), None)
        self._core.emitter.do(Close(GOING_AWAY, message))
        self._life = Life.CLOSED


def _check_answerable(config: SessionConfig) -> None:
    """That a model can be asked with these settings, by the same rules as over HTTP. Raises :class:`EventRefused`."""
    asked = Asked(
        model=config.model,
        instructions=config.instructions,
        cache_key="check",
        tools=config.tools,
        tool_choice=config.tool_choice,
        parallel_tool_calls=config.parallel_tool_calls,
        temperature=config.temperature,
    )
    try:
        chat_request(asked, [])
    except OssatureError as error:
        param = (error.param or "").replace(".function.", ".")
        raise EventRefused(error.code, error.message, param=f"session.{param}" if param else "session") from None
