"""Random orders against the session: whatever comes when, what it promises holds."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cluster.realtime.session import actions as act
from cluster.realtime.session.inputs import (
    GenerationEnded,
    GenerationFailed,
    RecognitionFailed,
    RecognitionFinished,
    RecognitionSettled,
    SpeechEnded,
    SpeechMade,
    SpeechMakingFailed,
    TextGenerated,
    Tick,
    ToolCallGenerated,
    Turn,
)
from cluster.realtime.session.limits import Behaviour, SessionLimits
from cluster.speech.contract import (
    SpeechMaybeEnded,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    SpokenChunk,
    TextMark,
    Transcript,
)
from tests.budget import examples
from tests.unit.realtime.scene import USAGE, Scene, pcm

LIMITS = SessionLimits(
    max_items=12, max_input_bytes=3000 * 48, max_kept_audio_bytes=4000 * 48, max_text_chars=20_000, max_responses=3
)
#: The newest item may go beyond the bound on kept audio alone, and one answer is bounded by it too.
MOST_BYTES = LIMITS.max_input_bytes + 3 * LIMITS.max_kept_audio_bytes + 2 * LIMITS.max_text_chars
WORDS = st.sampled_from(["", "hello", "four hundred strawberries", "and"])
TEXTS = st.sampled_from(["Hi", " there, my friend. ", "One. Two. Three is a longer sentence. ", "\n", "   ", "…"])
TURN_DETECTIONS = st.sampled_from(
    [
        None,
        {"type": "server_vad"},
        {"type": "server_vad", "interrupt_response": False},
        {"type": "server_vad", "create_response": False, "idle_timeout_ms": 5000},
        {"type": "semantic_vad"},
    ]
)


class Sessions(RuleBasedStateMachine):
    """Plays client, detector, model, recognizer and synthesizer, each at random, and keeps a book of what was sent."""

    early_generation = False

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(limits=LIMITS, behaviour=Behaviour(early_generation=self.early_generation))
        self.seen = 0
        self.acted = 0
        self.begun: dict[str, str] = {}  # response → its status
        self.order: list[str] = []
        self.generations: set[str] = set()
        self.syntheses: dict[str, str] = {}
        self.recognitions: set[str] = set()
        self.settling: set[str] = set()
        self.finishing: set[str] = set()
        self.opened: dict[str, int] = defaultdict(int)
        self.silenced: set[str] = set()  # responses that speech has interrupted

    # --- the client -------------------------------------------------------------------------------------------------------

    @rule(ms=st.integers(1, 15))
    def sends_audio(self, ms: int) -> None:
        self.scene.client("input_audio_buffer.append", audio=base64.b64encode(pcm(ms * 20)).decode())

    @rule(
        kind=st.sampled_from(
            ["input_audio_buffer.commit", "input_audio_buffer.clear", "output_audio_buffer.clear", "response.cancel"]
        )
    )
    def sends_plain_event(self, kind: str) -> None:
        self.scene.client(kind)

    @rule(outside=st.booleans(), text=st.booleans(), limit=st.sampled_from([None, 5]))
    def asks_for_response(self, outside: bool, text: bool, limit: int | None) -> None:
        response: dict[str, Any] = {"conversation": "none"} if outside else {}
        if text:
            response["output_modalities"] = ["text"]
        if limit is not None:
            response["max_output_tokens"] = limit
        self.scene.client("response.create", response=response)

    @rule(data=st.data(), previous=st.booleans())
    def adds_text(self, data: st.DataObject, previous: bool) -> None:
        place = {"previous_item_id": data.draw(st.sampled_from(["root", "nope", *self.order]))} if previous else {}
        self.scene.text_item("hello", **place)

    @rule(data=st.data(), kind=st.sampled_from(["conversation.item.delete", "conversation.item.retrieve"]))
    def touches_item(self, data: st.DataObject, kind: str) -> None:
        self.scene.client(kind, item_id=data.draw(st.sampled_from(["nope", *self.order])))

    @rule(data=st.data(), end_ms=st.integers(0, 1000), index=st.integers(0, 1))
    def truncates(self, data: st.DataObject, end_ms: int, index: int) -> None:
        item_id = data.draw(st.sampled_from(["nope", *self.order]))
        self.scene.client("conversation.item.truncate", item_id=item_id, content_index=index, audio_end_ms=end_ms)

    @rule(detection=TURN_DETECTIONS, modality=st.sampled_from(["text", "audio"]))
    def updates(self, detection: dict[str, Any] | None, modality: str) -> None:
        audio = {"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
        self.scene.client("session.update", session={"type": "realtime", "output_modalities": [modality], "audio": audio})

    @rule(
        frame=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
        )
    )
    def sends_nonsense(self, frame: object) -> None:
        self.scene.client("session.update", event_id="bad", session=frame)
        assert self.scene.events[-1]["type"] == "error"
        assert self.scene.events[-1]["error"]["event_id"] == "bad"

    # --- time and turns ---------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.02, 0.3, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.scene.now += seconds
        self.scene.put(Tick())

    @rule(kind=st.sampled_from([SpeechStarted, SpeechMaybeEnded, SpeechResumed, SpeechStopped]), back_ms=st.integers(0, 400))
    def hears(self, kind: type, back_ms: int) -> None:
        self.scene.put(Turn(kind(max(0, self.scene.machine._hearing.end_ms - back_ms))))

    # --- work -------------------------------------------------------------------------------------------------------------

    def _one(self, data: st.DataObject, ids: Any) -> str:
        assume(ids)
        chosen: str = data.draw(st.sampled_from(sorted(ids)))
        return chosen

    @rule(data=st.data(), text=TEXTS)
    def model_writes(self, data: st.DataObject, text: str) -> None:
        self.scene.put(TextGenerated(self._one(data, self.generations), text))

    @rule(data=st.data(), index=st.integers(0, 1), arguments=st.sampled_from(["", "{}", "{"]))
    def model_calls(self, data: st.DataObject, index: int, arguments: str) -> None:
        self.scene.put(ToolCallGenerated(self._one(data, self.generations), index, None, "order", arguments))

    @rule(data=st.data(), reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    def model_ends(self, data: st.DataObject, reason: str) -> None:
        self.scene.put(GenerationEnded(self._one(data, self.generations), reason, USAGE))

    @rule(data=st.data(), code=st.sampled_from(["overloaded", "context_length_exceeded"]))
    def model_fails(self, data: st.DataObject, code: str) -> None:
        self.scene.put(GenerationFailed(self._one(data, self.generations), "server_error", code, "No."))

    @rule(data=st.data(), ms=st.sampled_from([0, 20, 300]))
    def synthesizer_speaks(self, data: st.DataObject, ms: int) -> None:
        synthesis = self._one(data, self.syntheses)
        mark = TextMark(len(self.syntheses[synthesis]), ms * 24)
        self.scene.put(SpeechMade(synthesis, SpokenChunk(pcm(ms), (mark,))))

    @rule(data=st.data(), fails=st.booleans())
    def synthesizer_ends(self, data: st.DataObject, fails: bool) -> None:
        synthesis = self._one(data, self.syntheses)
        self.scene.put(SpeechMakingFailed(synthesis, "speech_failed", "No.") if fails else SpeechEnded(synthesis))

    @rule(data=st.data(), words=WORDS, fails=st.booleans())
    def recognizer_finishes(self, data: st.DataObject, words: str, fails: bool) -> None:
        recognition = self._one(data, self.finishing)
        self.finishing.discard(recognition)
        if fails:
            self.scene.put(RecognitionFailed(recognition, "speech_failed", "No."))
        else:
            self.scene.put(RecognitionFinished(recognition, Transcript(words, None, 100)))

    @rule(data=st.data(), words=WORDS)
    def recognizer_settles(self, data: st.DataObject, words: str) -> None:
        self.scene.put(RecognitionSettled(self._one(data, self.settling), Transcript(words, None, 100)))

    # --- what must hold ---------------------------------------------------------------------------------------------------

    @invariant()
    def keeps_its_promises(self) -> None:
        for action in self.scene.actions[self.acted :]:
            self._note_action(action)
        self.acted = len(self.scene.actions)
        for event in self.scene.events[self.seen :]:
            self._note_event(event)
        self.seen = len(self.scene.events)

    @invariant()
    def is_bounded(self) -> None:
        assert self.scene.machine.held_bytes <= MOST_BYTES
        assert len(self.order) <= LIMITS.max_items
        assert sum(status == "in_progress" for status in self.begun.values()) <= LIMITS.max_responses

    @invariant()
    def order_is_what_the_client_was_told(self) -> None:
        assert self.order == [item.id for item in self.scene.machine._core.conversation]

    def _note_action(self, action: act.Action) -> None:
        match action:
            case act.StartGeneration():
                assert action.generation_id not in self.generations
                self.generations.add(action.generation_id)
                roles = [message["role"] for message in json.loads(action.request.engine_body())["messages"]]
                assert roles[0] == "system"
            case act.CancelGeneration():
                assert action.generation_id in self.generations
            case act.StartSpeech():
                assert action.text
                self.syntheses[action.synthesis_id] = action.text
            case act.CancelSpeech():
                assert action.synthesis_id in self.syntheses
            case act.StartRecognition():
                self.recognitions.add(action.recognition_id)
            case act.FeedRecognition():
                assert action.pcm
                assert action.recognition_id in self.recognitions
            case act.SettleRecognition():
                self.settling.add(action.recognition_id)
            case act.FinishRecognition():
                assert action.recognition_id in self.recognitions
                self.recognitions.discard(action.recognition_id)  # no audio may follow
                self.finishing.add(action.recognition_id)
            case act.DropRecognition():
                self.recognitions.discard(action.recognition_id)

    def _note_event(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        response_id = event.get("response_id")
        if kind == "response.created":
            assert event["response"]["id"] not in self.begun
            self.begun[event["response"]["id"]] = "in_progress"
        elif kind == "response.done":
            done = event["response"]
            assert self.begun[done["id"]] == "in_progress", "one response.done for each response.created"
            assert done["status"] in ("completed", "cancelled", "failed", "incomplete")
            assert all(item["status"] != "in_progress" for item in done["output"])
            self.begun[done["id"]] = done["status"]
        elif response_id is not None and kind.startswith("response."):
            assert self.begun[response_id] == "in_progress", f"{kind} after response.done"
            if kind == "response.output_audio.delta":
                assert response_id not in self.silenced
        elif kind == "conversation.item.added":
            index = 0 if event["previous_item_id"] is None else self.order.index(event["previous_item_id"]) + 1
            self.order.insert(index, event["item"]["id"])
        elif kind == "conversation.item.deleted":
            self.order.remove(event["item_id"])
        elif kind == "input_audio_buffer.speech_started":
            detection = self.scene.machine.config.input.turn_detection
            if detection is not None and detection.interrupt_response:
                self.silenced |= {one for one, status in self.begun.items() if status == "in_progress" and one in self._inside()}

    def _inside(self) -> set[str]:
        created = self.scene.of("response.created")
        return {event["response"]["id"] for event in created if "conversation_id" in event["response"]}

    def teardown(self) -> None:
        """Whatever has happened, the session can still be used: a response that is asked for now is made."""
        scene = self.scene
        self.keeps_its_promises()
        for response_id in [one for one, status in self.begun.items() if status == "in_progress"]:
            scene.client("response.cancel", response_id=response_id)
        scene.client("response.cancel")
        for recognition in sorted(self.finishing):
            scene.put(RecognitionFinished(recognition, Transcript("", None, 1)))
        scene.client("response.cancel")
        scene.client("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        scene.forget()
        scene.client("response.create")
        assert scene.kinds()[0] == "response.created", scene.events
        scene.write("Still here.")
        scene.written()
        assert scene.events[-1]["type"] == "response.done"
        assert scene.events[-1]["response"]["status"] == "completed"


class SessionsThatGuess(Sessions):
    early_generation = True


_SETTINGS = settings(
    max_examples=examples(60),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRandomOrders = Sessions.TestCase
TestRandomOrders.settings = _SETTINGS
TestRandomOrdersWithEarlyAnswers = SessionsThatGuess.TestCase
TestRandomOrdersWithEarlyAnswers.settings = _SETTINGS
