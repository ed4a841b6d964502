"""What the server's events mean for a client: what it shows, plays and answers, and when all is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.cli.output import CommandError, ExitCode
from cluster.cli.talking.playback import BYTES_PER_MS, Playback
from cluster.cli.talking.talk import Talk


@dataclass
class Shown:
    lines: list[str] = field(default_factory=list)

    def said(self, text: str) -> None:
        self.lines.append(f"you: {text}")

    def answers(self, text: str) -> None:
        self.lines.append(f"+{text}")

    def answered(self, *, interrupted: bool) -> None:
        self.lines.append("interrupted" if interrupted else "answered")

    def problem(self, text: str) -> None:
        self.lines.append(f"problem: {text}")


@dataclass
class Scene:
    now: float = 0.0
    shown: Shown = field(default_factory=Shown)

    def __post_init__(self) -> None:
        self.talk = Talk(Playback(), self.shown, lambda: self.now)

    def on(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return self.talk.on({"type": kind, **fields})

    def turn(self, item_id: str = "user_1", text: str = "hello") -> None:
        self.on("input_audio_buffer.speech_started", item_id=item_id)
        self.on("input_audio_buffer.speech_stopped", item_id=item_id)
        self.on("input_audio_buffer.committed", item_id=item_id)
        self.on("conversation.item.input_audio_transcription.completed", item_id=item_id, transcript=text)

    def answer(self, response_id: str = "resp_1", ms: int = 100, *, done: bool = True) -> None:
        place = {"response_id": response_id, "item_id": f"item_{response_id}", "content_index": 0}
        self.on("response.created", response={"id": response_id})
        self.on("response.output_audio_transcript.delta", **place, delta="Hi ")
        self.on("response.output_audio_transcript.delta", **place, delta="there.")
        self.on("response.output_audio.delta", **place, delta=bytes(ms * BYTES_PER_MS))
        if done:
            self.on("response.output_audio.done", **place)
            self.on("response.done", response={"id": response_id, "status": "completed"})


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_turn_and_answer_are_shown_and_played(scene: Scene) -> None:
    assert scene.talk.settled
    scene.turn()
    assert not scene.talk.settled, "the answer is waited for"
    scene.answer()
    assert not scene.talk.settled, "it is to be played"
    assert len(scene.talk.playback.pull(1 << 20)) == 100 * BYTES_PER_MS
    assert scene.talk.settled
    assert scene.shown.lines == ["you: hello", "+Hi ", "+there.", "answered"]
    assert [(turn.role, turn.text) for turn in scene.talk.turns] == [("user", "hello"), ("assistant", "Hi there.")]


def test_speech_silences_the_answer_and_tells_how_much_of_it_was_heard(scene: Scene) -> None:
    scene.turn()
    scene.answer(ms=1000)
    scene.talk.playback.pull(300 * BYTES_PER_MS)
    assert scene.on("input_audio_buffer.speech_started", item_id="user_2") == [
        {"type": "conversation.item.truncate", "item_id": "item_resp_1", "content_index": 0, "audio_end_ms": 300}
    ]
    assert scene.talk.playback.pull(1 << 20) == b""
    assert scene.talk.turns[-1].interrupted


def test_speech_after_the_answer_was_heard_cuts_nothing(scene: Scene) -> None:
    scene.turn()
    scene.answer()
    scene.talk.playback.pull(1 << 20)
    assert scene.on("input_audio_buffer.speech_started", item_id="user_2") == []
    assert not scene.talk.turns[-1].interrupted


def test_cough_is_not_waited_for(scene: Scene) -> None:
    scene.turn(text="")
    assert scene.talk.settled
    assert scene.talk.turns == []
    assert scene.talk.heard


def test_answer_may_begin_before_the_words_are_told(scene: Scene) -> None:
    scene.on("input_audio_buffer.committed", item_id="user_1")
    scene.on("response.created", response={"id": "resp_1"})
    scene.on("response.done", response={"id": "resp_1", "status": "completed"})
    assert not scene.talk.settled, "the words are waited for"
    scene.on("conversation.item.input_audio_transcription.completed", item_id="user_1", transcript="hello")
    assert scene.talk.settled


def test_words_that_can_t_be_recognized_are_a_problem_and_not_waited_for(scene: Scene) -> None:
    scene.on("input_audio_buffer.committed", item_id="user_1")
    scene.on("conversation.item.input_audio_transcription.failed", item_id="user_1", error={"message": "it broke"})
    assert scene.talk.settled
    assert scene.shown.lines == ["problem: what you said could not be recognized: it broke"]


def test_time_to_the_first_sound_is_from_the_end_of_speech(scene: Scene) -> None:
    scene.on("input_audio_buffer.speech_stopped", item_id="user_1")
    scene.now = 0.4
    scene.answer()
    scene.now = 1.0
    scene.answer("resp_2")
    assert scene.talk.answer_s == [0.4]


def test_turns_by_hand_stop_the_answer_and_ask_for_one(scene: Scene) -> None:
    scene.answer(ms=1000, done=False)
    scene.talk.playback.pull(200 * BYTES_PER_MS)
    assert [event["type"] for event in scene.talk.interrupt()] == ["response.cancel", "conversation.item.truncate"]
    assert [event["type"] for event in scene.talk.committed()] == ["input_audio_buffer.commit", "response.create"]


def test_failed_answer_is_a_problem_and_the_conversation_goes_on(scene: Scene) -> None:
    scene.on("response.created", response={"id": "resp_1"})
    details = {"type": "failed", "error": {"type": "server_error", "message": "the engine died"}}
    scene.on("response.done", response={"id": "resp_1", "status": "failed", "status_details": details})
    assert scene.shown.lines == ["answered", "problem: the answer failed: the engine died"]
    assert scene.talk.settled


def test_errors_of_crossed_events_are_not_shown_and_others_are(scene: Scene) -> None:
    scene.on("error", error={"code": "response_cancel_not_active", "message": "there is none"})
    scene.on("error", error={"code": "invalid_value", "message": "it is wrong"})
    assert scene.shown.lines == ["problem: it is wrong"]


@pytest.mark.parametrize("code", ["audio_unavailable", "session_expired"])
def test_some_errors_end_the_conversation_with_a_next_step(scene: Scene, code: str) -> None:
    with pytest.raises(CommandError) as caught:
        scene.on("error", error={"code": code, "message": "no"})
    assert caught.value.next_step
    assert caught.value.exit_code == ExitCode.FAILED
