"""The user's side of a conversation: audio that comes in, turns, and the words in them.

| state    | on                          | next     | does                                                                   |
| -------- | --------------------------- | -------- | ---------------------------------------------------------------------- |
| manual   | append                      | manual   | keeps and recognizes it                                                |
| manual   | client's commit             | manual   | makes the item, finishes it                                   |
| quiet    | append                      | quiet    | keeps the last second and the padding                                  |
| quiet    | speech started              | speaking | ``speech_started``, starts recognition, tells the answering side       |
| speaking | append                      | speaking | keeps and recognizes it                                                |
| speaking | speech may have ended       | pausing  | settles recognition                                                    |
| pausing  | append                      | pausing  | keeps it, holds it back from the recognizer                            |
| pausing  | settled                     | pausing  | tells the answering side; judges how finished it sounds (semantic_vad) |
| pausing  | speech resumed              | speaking | recognizes what was held back; what was settled is void                |
| pausing  | speech stopped              | quiet    | ``speech_stopped``, makes the item, finishes it               |
| speaking | speech stopped, buffer full | quiet    | the same                                                               |
| any      | client's commit             | its idle | makes the item of all audio there is                                   |
| any      | clear                       | its idle | drops audio, turn and recognition                                      |
| any      | turn detection changed      | its idle | drops the turn, keeps the audio                                        |

Idle is ``manual`` without turn detection, else ``quiet``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cluster.realtime.protocol import server_events as events
from cluster.realtime.protocol.audio import BYTES_PER_MS, SemanticVad, ServerVad
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.session.actions import (
    ConfigureTurns,
    DropRecognition,
    FeedRecognition,
    FinishRecognition,
    JudgeTurn,
    Occurred,
    Occurrence,
    RestartTurns,
    SettleRecognition,
    StartRecognition,
)
from cluster.realtime.session.configuration import language_of
from cluster.realtime.session.core import Core
from cluster.realtime.session.input_audio import InputAudio
from cluster.realtime.session.items import Recognized, StoredItem, StoredPart
from cluster.realtime.session.transcription import announce_failure, announce_transcript
from cluster.speech.contract import (
    BYTES_PER_SAMPLE,
    SpeechMaybeEnded,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    TurnEvent,
)
from cluster.speech.turns.completeness import finished

MIN_COMMIT_MS = 100
#: The turn detector tells of speech a little after it began, beyond the padding that it counts itself.
_SLACK_MS = 1000
_SEMANTIC_PADDING_MS = 300


class State(StrEnum):
    MANUAL = "manual"
    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSING = "pausing"


class Answerer(Protocol):
    """Who is told what the user does."""

    def speech_started(self, now: float) -> None: ...

    def words_settled(self, text: str) -> None:
        """These are the words, should the turn end now."""
        ...

    def speech_resumed(self) -> None:
        """The turn goes on, or is gone: what was settled is void."""
        ...

    def turn_ended(self, item: StoredItem, now: float) -> None:
        """By silence, not by the client: an answer may be due."""
        ...

    def words_known(self, item: StoredItem, now: float) -> None: ...


@dataclass(slots=True)
class _Recognition:
    """One utterance. ``item`` is ``None`` while its audio is not committed; ``fed_bytes``: the end of what the recognizer has."""

    id: str
    fed_bytes: int
    item: StoredItem | None = None
    part_index: int = 0


@dataclass(slots=True)
class _Turn:
    item_id: str
    start_ms: int


class Hearing:
    def __init__(self, core: Core, answerer: Answerer) -> None:
        self._core = core
        self._answerer = answerer
        self._audio = InputAudio()
        self._state = State.MANUAL
        self._turn: _Turn | None = None
        self._open: _Recognition | None = None
        """Of the audio that is not committed."""
        self._broken = False
        """The recognizer failed on that audio: it is tried once more, as a whole, when it is committed."""
        self._running: dict[str, _Recognition] = {}

    @property
    def state(self) -> State:
        return self._state

    @property
    def end_ms(self) -> int:
        """All audio that the session was sent, in milliseconds."""
        return self._audio.end_ms

    @property
    def held_bytes(self) -> int:
        return self._audio.size_bytes

    # --- what the client does ---------------------------------------------------------------------------------------------

    def configure(self, *, changed: bool = True) -> None:
        """Listen as the session's settings say."""
        given = self._core.config.input
        if not changed:
            return
        if self._state in (State.SPEAKING, State.PAUSING):
            self._answerer.speech_resumed()
            self._turn = None
        self._state = self._idle
        self._drop_open()
        noise = given.noise_reduction.type if given.noise_reduction is not None else None
        self._core.emitter.do(ConfigureTurns(given.turn_detection, noise if isinstance(noise, str) else None))

    def append(self, pcm: bytes, now: float) -> None:
        """Raises :class:`EventRefused` for half a sample, and when nobody commits what is there."""
        if len(pcm) % BYTES_PER_SAMPLE:
            raise EventRefused("invalid_value", "Invalid 'audio': 16-bit audio has an even number of bytes.", param="audio")
        limit = self._core.limits.max_input_bytes
        if self._audio.size_bytes + len(pcm) > limit:
            if self._state is State.MANUAL:
                raise EventRefused(
                    "input_audio_buffer_full", f"The input audio buffer holds at most {limit} bytes; commit or clear it."
                )
            self._end_full_turn(now)
        self._audio.append(pcm)
        match self._state:
            case State.MANUAL | State.SPEAKING:
                self._feed_open()
            case State.QUIET:
                self._audio.forget(self._audio.end_ms - self._padding_ms - _SLACK_MS)
            case State.PAUSING if not self._settles:
                self._feed_open()

    def clear(self) -> None:
        self._audio.clear()
        self._leave_turn()
        self._drop_open()
        self._core.emitter.send(events.InputAudioCleared)

    def commit(self, now: float) -> StoredItem:
        """Make an item of the audio there is. Raises :class:`EventRefused` if that is next to none."""
        if self._audio.size_bytes < MIN_COMMIT_MS * BYTES_PER_MS:
            raise EventRefused(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {self._audio.size_bytes / BYTES_PER_MS:.2f}ms of audio.",
            )
        item_id = self._turn.item_id if self._turn is not None else self._core.emitter.new_id("item")
        self._feed_open()
        pcm = self._audio.take_all()
        self._leave_turn()
        return self._commit(item_id, pcm, now)

    def commit_silence(self) -> tuple[int, StoredItem]:
        """Make an item of the quiet audio there is, wordless. Returns where it began, and the item."""
        start_ms = self._audio.start_ms
        item = StoredItem(self._core.emitter.new_id("item"), "message", role="user")
        pcm = self._audio.take_all()
        self._drop_open()
        item.parts.append(
            StoredPart("input_audio", transcript="", audio=pcm, audio_ms=len(pcm) // BYTES_PER_MS, recognized=Recognized.DONE)
        )
        return start_ms, item

    def recognize(self, item: StoredItem) -> None:
        """Find the words of an item that the client made with audio in it."""
        if not self._core.recognizes:
            return
        for index, part in enumerate(item.parts):
            if part.audio and part.transcript is None:
                recognition = self._start()
                recognition.item, recognition.part_index = item, index
                part.recognized = Recognized.PENDING
                self._core.emitter.do(FeedRecognition(recognition.id, bytes(part.audio)))
                self._core.emitter.do(FinishRecognition(recognition.id))

    def item_removed(self, item: StoredItem) -> None:
        """Its words are not wanted any more."""
        for recognition in [one for one in self._running.values() if one.item is item]:
            self._drop(recognition)

    # --- what the turn detector hears -------------------------------------------------------------------------------------

    def turn(self, event: TurnEvent, now: float) -> None:
        match event, self._state:
            case SpeechStarted(at_ms=start_ms), State.QUIET:
                self._start_turn(start_ms, now)
            case SpeechMaybeEnded(), State.SPEAKING:
                self._state = State.PAUSING
                if self._settles and self._open is not None:
                    self._core.emitter.do(SettleRecognition(self._open.id))
            case SpeechResumed(), State.PAUSING:
                self._state = State.SPEAKING
                self._answerer.speech_resumed()
                self._feed_open()
            case SpeechStopped(at_ms=end_ms), State.SPEAKING | State.PAUSING:
                self._end_turn(end_ms, now)

    def _start_turn(self, start_ms: int, now: float) -> None:
        self._drop_open()
        self._turn = _Turn(self._core.emitter.new_id("item"), start_ms)
        self._state = State.SPEAKING
        self._audio.forget(start_ms)
        self._core.emitter.send(events.SpeechStarted, audio_start_ms=start_ms, item_id=self._turn.item_id)
        # First of all else, so that nothing of an answer comes after it that it interrupts.
        self._answerer.speech_started(now)
        self._feed_open()

    def _end_turn(self, end_ms: int, now: float) -> None:
        assert self._turn is not None
        turn = self._turn
        self._core.emitter.send(events.SpeechStopped, audio_end_ms=end_ms, item_id=turn.item_id)
        pcm = self._audio.take(turn.start_ms, end_ms)
        self._turn = None
        self._state = State.QUIET
        self._core.emitter.do(Occurred(Occurrence.TURN))
        item = self._commit(turn.item_id, pcm, now, answered=True)
        if not item.pending:
            self._answerer.words_known(item, now)

    def _end_full_turn(self, now: float) -> None:
        """Somebody who never pauses is answered when the buffer is full."""
        if self._turn is None:
            self._audio.forget(self._audio.end_ms - self._padding_ms - _SLACK_MS)
            return
        self._core.emitter.do(RestartTurns())
        self._end_turn(self._audio.end_ms, now)

    # --- what the recognizer finds ----------------------------------------------------------------------------------------

    def settled(self, recognition_id: str, transcript: Transcript) -> None:
        recognition = self._open
        if recognition is None or recognition.id != recognition_id or self._state is not State.PAUSING:
            return
        text = transcript.text.strip()
        if isinstance(self._core.config.input.turn_detection, SemanticVad):
            self._core.emitter.do(JudgeTurn(finished(text)))
        self._answerer.words_settled(text)

    def finished(self, recognition_id: str, transcript: Transcript, now: float) -> None:
        recognition = self._running.pop(recognition_id, None)
        if recognition is None or recognition.item is None:
            return
        item = recognition.item
        part = item.parts[recognition.part_index]
        part.transcript = transcript.text.strip()
        part.recognized = Recognized.DONE
        announce_transcript(self._core, item, recognition.part_index, transcript)
        if not item.pending:
            self._answerer.words_known(item, now)

    def failed(self, recognition_id: str, code: str, message: str, now: float) -> None:
        recognition = self._running.pop(recognition_id, None)
        if recognition is None:
            return
        if recognition is self._open:
            self._open = None
            self._broken = True
            return
        item = recognition.item
        if item is None:
            return
        item.parts[recognition.part_index].recognized = Recognized.FAILED
        announce_failure(self._core, item, recognition.part_index, code, message)
        if not item.pending:
            self._answerer.words_known(item, now)

    # --- details ----------------------------------------------------------------------------------------------------------

    @property
    def _idle(self) -> State:
        return State.MANUAL if self._core.config.input.turn_detection is None else State.QUIET

    @property
    def _settles(self) -> bool:
        return self._core.behaviour.early_recognition or isinstance(self._core.config.input.turn_detection, SemanticVad)

    @property
    def _padding_ms(self) -> int:
        detection = self._core.config.input.turn_detection
        return detection.prefix_padding_ms if isinstance(detection, ServerVad) else _SEMANTIC_PADDING_MS

    def _leave_turn(self) -> None:
        if self._turn is not None:
            self._turn = None
            self._answerer.speech_resumed()
        if self._state is not State.MANUAL:
            self._state = State.QUIET
            self._core.emitter.do(RestartTurns())

    def _commit(self, item_id: str, pcm: bytes, now: float, *, answered: bool = False) -> StoredItem:
        """``answered``: an answer may be due as soon as the words are known."""
        core = self._core
        part = StoredPart("input_audio", audio=pcm, audio_ms=len(pcm) // BYTES_PER_MS)
        item = StoredItem(item_id, "message", role="user", parts=[part])
        recognition, self._open = self._open, None
        self._broken = False
        if core.recognizes and recognition is None and pcm:
            recognition = self._start()
            core.emitter.do(FeedRecognition(recognition.id, pcm))
        previous = core.add_own_item(item)
        core.emitter.send(events.InputAudioCommitted, previous_item_id=previous, item_id=item_id)
        core.emitter.send(events.ItemAdded, previous_item_id=previous, item=item.shown())
        core.emitter.send(events.ItemDone, previous_item_id=previous, item=item.shown())
        if recognition is not None:
            recognition.item = item
            part.recognized = Recognized.PENDING
            core.emitter.do(FinishRecognition(recognition.id))
        core.conversation.bound_audio()
        if answered:
            self._answerer.turn_ended(item, now)
        return item

    def _feed_open(self) -> None:
        """Give the recognizer what it has not had of the open utterance."""
        if not self._core.recognizes or self._broken:
            return
        if self._open is None:
            self._open = self._start()
            self._open.fed_bytes = self._audio.start_bytes
        pcm = self._audio.since(self._open.fed_bytes)
        if pcm:
            self._core.emitter.do(FeedRecognition(self._open.id, pcm))
            self._open.fed_bytes = self._audio.end_bytes

    def _start(self) -> _Recognition:
        transcription = self._core.config.input.transcription
        prompt = transcription.prompt if transcription is not None else None
        recognition = _Recognition(self._core.emitter.new_id("rec"), 0)
        self._running[recognition.id] = recognition
        self._core.emitter.do(
            StartRecognition(recognition.id, language_of(transcription), prompt if isinstance(prompt, str) and prompt else None)
        )
        return recognition

    def _drop_open(self) -> None:
        self._broken = False
        if self._open is not None:
            self._drop(self._open)
            self._open = None

    def _drop(self, recognition: _Recognition) -> None:
        del self._running[recognition.id]
        self._core.emitter.do(DropRecognition(recognition.id))
