"""Turns, interruptions and what was heard: a session with sound."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cluster.realtime.session import actions as act
from cluster.realtime.session.inputs import RecognitionFailed, RecognitionFinished, SpeechEnded, SpeechMade, SpeechMakingFailed
from cluster.realtime.session.limits import Behaviour, SessionLimits
from cluster.speech.contract import SpeechMaybeEnded, SpeechResumed, SpeechStarted, SpeechStopped, SpokenChunk, Transcript
from tests.unit.realtime.scene import Scene, pcm

ANSWER = "It is sunny today. Take a hat with you, please."


@pytest.fixture
def scene() -> Scene:
    return Scene()


def ask(scene: Scene, words: str = "what is the weather", *, start_ms: int | None = None) -> None:
    """A whole turn of the user, up to the words being known."""
    start = scene.machine._hearing.end_ms if start_ms is None else start_ms
    scene.say(1000)
    scene.turn(SpeechStarted(start))
    scene.turn(SpeechMaybeEnded(start + 700))
    scene.settled(words)
    scene.turn(SpeechStopped(start + 900))
    scene.recognized(words)


def error(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert [event["type"] for event in events] == ["error"]
    refused: dict[str, Any] = events[0]["error"]
    return refused


def test_turn_is_committed_recognized_and_answered_in_order(scene: Scene) -> None:
    scene.forget()
    ask(scene)
    assert scene.kinds() == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]
    started, stopped = scene.events[:2]
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (0, 900)
    assert started["item_id"] == stopped["item_id"] == scene.of("input_audio_buffer.committed")[0]["item_id"]
    assert scene.messages()[-1] == {"role": "user", "content": "what is the weather"}


def test_answer_is_spoken_clause_by_clause_with_its_transcript(scene: Scene) -> None:
    ask(scene)
    scene.forget()
    scene.answer(ANSWER)
    histogram = scene.histogram()
    assert histogram["response.output_audio.delta"] == len(ANSWER.split())
    assert "".join(event["delta"] for event in scene.of("response.output_audio_transcript.delta")) == ANSWER
    assert scene.of("response.output_audio_transcript.done")[0]["transcript"] == ANSWER
    assert scene.kinds()[-6:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = scene.events[-1]["response"]
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": ANSWER}]
    assert done["usage"]["input_token_details"]["audio_tokens"] == 9
    assert done["usage"]["output_token_details"]["audio_tokens"] == 200 * len(ANSWER.split()) // 50


def test_barge_in_stops_everything_at_once(scene: Scene) -> None:
    ask(scene)
    scene.write(ANSWER)
    speech = scene.last(act.StartSpeech)
    generation = scene.last(act.StartGeneration).generation_id
    scene.put(SpeechMade(speech.synthesis_id, SpokenChunk(pcm(200))))
    scene.say(200)
    scene.forget()
    scene.turn(SpeechStarted(1100))
    assert act.CancelGeneration(generation) in scene.actions
    assert act.CancelSpeech(speech.synthesis_id) in scene.actions
    assert act.DropUnsentAudio(scene.of("response.done")[0]["response"]["id"]) in scene.actions
    assert scene.kinds()[0] == "input_audio_buffer.speech_started"
    assert scene.kinds()[-1] == "response.done"
    done = scene.events[-1]["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    scene.forget()
    scene.put(SpeechMade(speech.synthesis_id, SpokenChunk(pcm(200))))
    scene.put(SpeechEnded(speech.synthesis_id))
    scene.write("more", generation)
    assert scene.events == []


def test_turn_does_not_interrupt_where_it_must_not(scene: Scene) -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    ask(scene, "first")
    scene.write("It is sunny today. ")
    ask(scene, "second")
    assert not scene.of("response.done")
    assert scene.count(act.StartGeneration) == 1
    scene.written()
    scene.speak()
    assert len(scene.of("response.created")) == 2
    assert [message["content"] for message in scene.messages()[1:]] == ["first", "It is sunny today. ", "second"]


def test_turn_detection_may_leave_answers_to_the_client(scene: Scene) -> None:
    detection = {"type": "server_vad", "create_response": False}
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    ask(scene)
    assert not scene.of("response.created")
    scene.client("response.create")
    assert scene.messages()[-1]["content"] == "what is the weather"


@pytest.mark.parametrize(
    ("audio_end_ms", "heard"),
    [
        (0, None),
        (199, None),
        (200, "It"),
        (799, "It is sunny"),
        (800, "It is sunny today. "),
        (1000, "It is sunny today. Take"),
        (2000, ANSWER),
    ],
)
def test_truncation_leaves_exactly_the_words_that_were_heard(scene: Scene, audio_end_ms: int, heard: str | None) -> None:
    ask(scene)
    scene.answer(ANSWER)
    item_id = scene.of("response.output_item.added")[0]["item"]["id"]
    answered = scene.client("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)
    assert [event["type"] for event in answered] == ["conversation.item.truncated"]
    retrieved = scene.client("conversation.item.retrieve", item_id=item_id)[0]["item"]["content"][0]
    assert "transcript" not in retrieved
    assert len(base64.b64decode(retrieved["audio"])) == audio_end_ms * 48
    scene.client("response.create")
    said = [message["content"] for message in scene.messages() if message["role"] == "assistant"]
    assert [text.strip() for text in said] == ([heard.strip()] if heard else [])


def test_truncation_beyond_the_audio_is_refused_and_later_ones_only_shorten(scene: Scene) -> None:
    ask(scene)
    scene.answer(ANSWER)
    item_id = scene.of("response.output_item.added")[0]["item"]["id"]
    refused = error(scene.client("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60_000))
    assert refused["param"] == "audio_end_ms"
    assert (
        error(scene.client("conversation.item.truncate", item_id=item_id, content_index=1, audio_end_ms=0))["param"]
        == "content_index"
    )
    user_id = scene.of("input_audio_buffer.committed")[0]["item_id"]
    assert error(scene.client("conversation.item.truncate", item_id=user_id, content_index=0, audio_end_ms=0))["param"] == "item_id"
    for end in (400, 400, 1200):
        scene.client("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end)
    scene.client("response.create")
    assert scene.messages()[-1]["content"] == "It is"


def test_answer_that_is_still_played_is_cut_by_the_clock(scene: Scene) -> None:
    ask(scene)
    scene.answer(ANSWER)
    assert scene.of("response.done")
    scene.now += 0.45
    ask(scene, "stop")
    assert [message["content"] for message in scene.messages()[-2:]] == ["It is", "stop"]


def test_client_s_word_replaces_the_clock_s(scene: Scene) -> None:
    ask(scene)
    scene.answer(ANSWER)
    item_id = scene.of("response.output_item.added")[0]["item"]["id"]
    scene.now += 0.45
    scene.say(300)
    scene.turn(SpeechStarted(1000))
    scene.client("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=600)
    scene.turn(SpeechStopped(1200))
    scene.recognized("stop")
    assert scene.messages()[-2]["content"] == "It is sunny"


def test_words_are_settled_in_the_pause_and_held_audio_follows_resumed_speech(scene: Scene) -> None:
    scene.say(500)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechMaybeEnded(400))
    recognition = scene.last(act.SettleRecognition).recognition_id
    fed = scene.count(act.FeedRecognition)
    scene.say(200)
    assert scene.count(act.FeedRecognition) == fed
    scene.turn(SpeechResumed(700))
    assert scene.last(act.FeedRecognition) == act.FeedRecognition(recognition, pcm(200))
    scene.say(100)
    scene.turn(SpeechMaybeEnded(800))
    scene.turn(SpeechStopped(800))
    assert scene.count(act.StartRecognition) == 1
    assert sum(len(action.pcm) for action in scene.actions if isinstance(action, act.FeedRecognition)) == 800 * 48


def test_early_answer_is_kept_when_the_turn_ends() -> None:
    scene = Scene(behaviour=Behaviour(early_generation=True))
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechMaybeEnded(700))
    scene.settled("hello")
    early = scene.last(act.StartGeneration).generation_id
    scene.write("Hi there, friend. ")
    assert not scene.of("response.created")
    scene.turn(SpeechStopped(900))
    scene.recognized("hello")
    assert scene.count(act.StartGeneration) == 1
    assert scene.of("response.created")
    assert scene.last(act.StartSpeech).text == "Hi there, friend. "
    scene.written(generation_id=early)
    scene.speak()
    assert scene.of("response.done")[0]["response"]["status"] == "completed"
    assert act.Occurred(act.Occurrence.EARLY_ANSWER_KEPT) in scene.actions


@pytest.mark.parametrize("how", ["resumed", "other words", "cleared"])
def test_early_answer_is_dropped_unseen(how: str) -> None:
    scene = Scene(behaviour=Behaviour(early_generation=True))
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechMaybeEnded(700))
    scene.settled("hello")
    early = scene.last(act.StartGeneration).generation_id
    scene.write("Hi!")
    match how:
        case "resumed":
            scene.turn(SpeechResumed(800))
        case "cleared":
            scene.client("input_audio_buffer.clear")
        case _:
            scene.turn(SpeechStopped(900))
            scene.recognized("hello world")
    assert act.CancelGeneration(early) in scene.actions
    assert not [event for event in scene.events if event["type"].startswith("response.output")]


def test_manual_commit_makes_an_item_and_no_response(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    scene.say(300)
    scene.forget()
    scene.client("input_audio_buffer.commit")
    assert scene.kinds() == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    scene.client("response.create")
    assert scene.kinds()[-2:] == ["response.created", "rate_limits.updated"]
    assert scene.count(act.StartGeneration) == 0
    scene.recognized("push to talk")
    assert scene.messages()[-1]["content"] == "push to talk"


def test_commit_of_next_to_nothing_is_refused_with_openai_s_code(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    scene.client("input_audio_buffer.append", audio=base64.b64encode(pcm(50)).decode())
    refused = error(scene.client("input_audio_buffer.commit", event_id="c1"))
    assert (refused["code"], refused["event_id"]) == ("input_audio_buffer_commit_empty", "c1")


def test_clear_drops_audio_and_turn(scene: Scene) -> None:
    scene.say(500)
    scene.turn(SpeechStarted(0))
    scene.forget()
    scene.client("input_audio_buffer.clear")
    assert scene.kinds() == ["input_audio_buffer.cleared"]
    assert scene.count(act.DropRecognition) == 1
    scene.turn(SpeechStopped(500))
    assert scene.kinds() == ["input_audio_buffer.cleared"]


def test_silence_is_not_kept_beyond_padding_and_slack(scene: Scene) -> None:
    scene.say(60_000)
    assert scene.machine.held_bytes < 1500 * 48
    assert scene.machine._hearing.end_ms == 60_000


def test_turn_that_never_ends_is_ended_when_the_buffer_is_full() -> None:
    scene = Scene(limits=SessionLimits(max_input_bytes=1000 * 48))
    scene.say(200)
    scene.turn(SpeechStarted(0))
    scene.say(2000)
    assert len(scene.of("input_audio_buffer.committed")) == 1
    assert act.RestartTurns() in scene.actions
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    scene.client("input_audio_buffer.clear")
    scene.say(1000)
    scene.forget()
    scene.say(100)
    assert error(scene.events)["code"] == "input_audio_buffer_full"


def test_kept_audio_is_bounded_and_the_oldest_goes_first() -> None:
    scene = Scene(limits=SessionLimits(max_kept_audio_bytes=1500 * 48))
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    ids = []
    for _ in range(3):
        scene.say(1000)
        ids.append(scene.client("input_audio_buffer.commit")[0]["item_id"])
    kept = [scene.client("conversation.item.retrieve", item_id=item_id)[0]["item"]["content"][0] for item_id in ids]
    assert ["audio" in part for part in kept] == [False, False, True]


def test_transcription_is_told_only_where_it_was_asked_for(scene: Scene) -> None:
    ask(scene)
    assert not [kind for kind in scene.kinds() if "transcription" in kind]
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    ask(scene, "again")
    completed = scene.of("conversation.item.input_audio_transcription.completed")[0]
    assert completed["transcript"] == "again"
    assert completed["usage"] == {"type": "duration", "seconds": 0.9}


def test_failed_recognition_is_told_and_the_answer_still_comes(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechStopped(900))
    scene.put(RecognitionFailed(scene.last(act.FinishRecognition).recognition_id, "speech_failed", "It broke."))
    assert scene.of("conversation.item.input_audio_transcription.failed")[0]["error"]["code"] == "speech_failed"
    assert scene.messages()[-1]["content"] == "[inaudible]"


def test_noise_without_words_is_not_answered(scene: Scene) -> None:
    ask(scene, "")
    assert not scene.of("response.created")
    assert act.Occurred(act.Occurrence.TURN_WITHOUT_WORDS) in scene.actions


def test_turn_whose_answer_gave_way_to_noise_is_answered_after_it(scene: Scene) -> None:
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechStopped(900))
    first = scene.last(act.FinishRecognition).recognition_id
    scene.say(500)
    scene.turn(SpeechStarted(1000))
    scene.turn(SpeechStopped(1400))
    second = scene.last(act.FinishRecognition).recognition_id
    assert first != second
    scene.put(RecognitionFinished(first, Transcript("what is the weather", None, 900)))
    assert not scene.of("response.created")
    scene.put(RecognitionFinished(second, Transcript("", None, 400)))
    assert len(scene.of("response.created")) == 1


def test_semantic_turns_are_judged_by_their_words(scene: Scene) -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    scene.say(500)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechMaybeEnded(400))
    scene.settled("i would like to")
    assert scene.last(act.JudgeTurn).finished < 0.5
    scene.turn(SpeechResumed(450))
    scene.turn(SpeechMaybeEnded(480))
    scene.settled("i would like to order strawberries")
    assert scene.last(act.JudgeTurn).finished > 0.5


def test_silent_user_is_spoken_to_again_after_the_answer_was_heard(scene: Scene) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 6000}
    scene.client("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    ask(scene)
    scene.answer(ANSWER)
    assert scene.machine.wakeup_s == pytest.approx(100 + 2.0 + 6.0)
    scene.say(500)
    scene.now = 107.9
    scene.forget()
    scene.tick()
    assert scene.events == []
    scene.now = 108.0
    scene.tick()
    assert scene.kinds() == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
    ]


def test_output_buffer_can_be_cleared_before_and_after_a_cancel(scene: Scene) -> None:
    ask(scene)
    scene.write(ANSWER)
    scene.put(SpeechMade(scene.last(act.StartSpeech).synthesis_id, SpokenChunk(pcm(200))))
    scene.forget()
    scene.client("output_audio_buffer.clear")
    assert scene.count(act.CancelSpeech) == 1
    scene.written()
    done = scene.of("response.done")[0]["response"]
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    assert not scene.of("response.output_audio.delta")
    assert scene.of("output_audio_buffer.cleared")[0]["response_id"] == done["id"]


def test_voice_is_fixed_once_it_was_heard(scene: Scene) -> None:
    update = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert scene.client("session.update", session=update)[0]["session"]["audio"]["output"]["voice"] == "marin"
    unknown = {"type": "realtime", "audio": {"output": {"voice": "nobody"}}}
    assert error(scene.client("session.update", session=unknown))["param"] == "session.audio.output.voice"
    ask(scene)
    scene.answer(ANSWER)
    update = {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
    assert error(scene.client("session.update", session=update))["code"] == "cannot_update_voice"


def test_broken_synthesizer_fails_the_response_alone(scene: Scene) -> None:
    ask(scene)
    scene.write(ANSWER)
    scene.put(SpeechMakingFailed(scene.last(act.StartSpeech).synthesis_id, "speech_failed", "It broke."))
    assert scene.of("response.done")[0]["response"]["status"] == "failed"
    assert scene.count(act.CancelGeneration) == 1


def test_item_with_audio_is_recognized_before_it_is_answered(scene: Scene) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": base64.b64encode(pcm(500)).decode()}]}
    scene.client("conversation.item.create", item=item)
    scene.client("response.create")
    assert scene.count(act.StartGeneration) == 0
    scene.recognized("from a file")
    assert scene.messages()[-1]["content"] == "from a file"


def test_model_that_hears_is_given_the_audio_itself() -> None:
    scene = Scene(behaviour=Behaviour(model_hears=True))
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechStopped(900))
    part = scene.messages()[-1]["content"][0]
    assert part["type"] == "input_audio"
    assert base64.b64decode(part["input_audio"]["data"])[:4] == b"RIFF"
    assert scene.count(act.StartRecognition) == 0


def test_transcription_session_transcribes_and_answers_nothing() -> None:
    scene = Scene(transcription=True)
    assert scene.events[0]["session"]["type"] == "transcription"
    scene.client(
        "session.update", session={"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
    )
    ask(scene, "take this down")
    assert scene.of("conversation.item.input_audio_transcription.completed")[0]["transcript"] == "take this down"
    assert not scene.of("response.created")
    assert error(scene.client("response.create"))["code"] == "invalid_value"
    assert error(scene.client("session.update", session={"type": "realtime"}))["param"] == "session.type"


def test_stages_of_a_turn_are_timed_once(scene: Scene) -> None:
    scene.say(1000)
    scene.turn(SpeechStarted(0))
    scene.turn(SpeechStopped(900))
    scene.now += 0.05
    scene.recognized("hello")
    scene.now += 0.1
    scene.write("Good morning to you. ")
    scene.now += 0.02
    scene.speak()
    timed = {action.stage.value: round(action.seconds, 3) for action in scene.actions if isinstance(action, act.StageTimed)}
    assert timed == {"recognition": 0.05, "first_token": 0.1, "first_clause": 0.0, "first_audio": 0.02, "total": 0.17}
