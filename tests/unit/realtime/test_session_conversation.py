"""Text, functions and items: a session without sound."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cluster.inference.usage import Usage
from cluster.realtime.session import actions as act
from cluster.realtime.session.inputs import GenerationFailed
from cluster.realtime.session.limits import Abilities, SessionLimits
from tests.unit.realtime.scene import Scene

TEXT_ONLY = Abilities(context_tokens=8192)
TOOL = {"type": "function", "name": "order", "description": "Order fruit.", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def scene() -> Scene:
    return Scene(abilities=TEXT_ONLY)


def error(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert [event["type"] for event in events] == ["error"]
    refused: dict[str, Any] = events[0]["error"]
    return refused


def test_session_begins_with_its_whole_configuration(scene: Scene) -> None:
    assert scene.kinds() == ["session.created", "conversation.created"]
    session = scene.events[0]["session"]
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["model"] == "demo"
    assert session["expires_at"] == 1_800_000_000


def test_response_sends_its_events_in_openai_s_order(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.forget()
    scene.client("response.create")
    scene.write("Hi ")
    scene.write("there.")
    scene.written()
    assert scene.kinds() == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = scene.events[-1]["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "Hi there."}]
    assert done["usage"]["input_token_details"]["cached_tokens"] == 1920
    assert done["usage"]["input_token_details"]["text_tokens"] == 2000
    assert done["usage"]["output_token_details"] == {"text_tokens": 7, "audio_tokens": 0}


def test_successive_turns_begin_with_the_same_bytes(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "tools": [TOOL]})
    prompts = []
    for turn in range(4):
        scene.text_item(f"Question {turn}: “what” \n now?")
        scene.client("response.create")
        prompts.append(scene.last(act.StartGeneration).request)
        if turn % 2:
            scene.write("Let me see. ")
            scene.call(0, f"call_{turn}", "order", '{"n": 1}')
            scene.written("tool_calls")
            output = {"type": "function_call_output", "call_id": f"call_{turn}", "output": "done"}
            scene.client("conversation.item.create", item=output)
        else:
            scene.write(f"Answer {turn}.\n")
            scene.written()
    for earlier, later in itertools.pairwise(prompts):
        assert later.canonical_prompt().startswith(earlier.canonical_prompt())
        assert len(later.canonical_prompt()) > len(earlier.canonical_prompt())
        assert later.prompt_cache_key == earlier.prompt_cache_key == "sess_test"


def test_function_call_is_streamed_and_continued(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "tools": [TOOL], "tool_choice": "required"})
    scene.text_item("400 strawberries")
    scene.client("response.create")
    scene.forget()
    scene.call(0, "call_7", "order", "")
    scene.call(0, None, None, '{"fruit": "straw')
    scene.call(0, None, None, 'berry"}')
    scene.written("tool_calls")
    assert scene.kinds() == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = scene.of("response.function_call_arguments.done")[0]
    assert (done["call_id"], done["name"], done["arguments"]) == ("call_7", "order", '{"fruit": "strawberry"}')
    scene.client("conversation.item.create", item={"type": "function_call_output", "call_id": "call_7", "output": "ok"})
    scene.client("response.create")
    assert scene.messages()[-2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_7", "type": "function", "function": {"name": "order", "arguments": '{"fruit": "strawberry"}'}}
            ],
        },
        {"role": "tool", "content": "ok", "tool_call_id": "call_7"},
    ]


def test_two_calls_of_one_answer_are_one_message(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "tools": [TOOL]})
    scene.text_item("both")
    scene.client("response.create")
    scene.call(0, "call_a", "order", "{}")
    scene.call(1, "call_b", "order", "{}")
    scene.written("tool_calls")
    assert [item["call_id"] for item in scene.of("response.done")[0]["response"]["output"]] == ["call_a", "call_b"]
    scene.client("response.create")
    assert [call["id"] for call in scene.messages()[-1]["tool_calls"]] == ["call_a", "call_b"]


def test_arguments_that_are_no_json_object_do_not_spoil_the_conversation(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "tools": [TOOL]})
    scene.text_item("x")
    scene.client("response.create")
    scene.call(0, "call_a", "order", "nonsense")
    scene.written("tool_calls")
    scene.client("response.create")
    assert scene.messages()[-1]["tool_calls"][0]["function"]["arguments"] == '{"arguments":"nonsense"}'


def test_output_for_an_unknown_call_is_refused(scene: Scene) -> None:
    item = {"type": "function_call_output", "call_id": "call_nope", "output": "x"}
    refused = error(scene.client("conversation.item.create", item=item, event_id="mine"))
    assert (refused["code"], refused["param"], refused["event_id"]) == ("invalid_tool_call_id", "item.call_id", "mine")


def test_second_response_is_refused_with_the_code_that_clients_ignore(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.client("response.create")
    refused = error(scene.client("response.create", event_id="again"))
    assert refused["code"] == "conversation_already_has_active_response"
    assert refused["event_id"] == "again"
    scene.write("still here")
    scene.written()
    assert scene.of("response.done")[0]["response"]["status"] == "completed"


def test_cancel_ends_the_response_and_its_generation(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.client("response.create")
    scene.write("Well, ")
    generation = scene.last(act.StartGeneration).generation_id
    scene.forget()
    scene.client("response.cancel")
    assert act.CancelGeneration(generation) in scene.actions
    done = scene.of("response.done")[0]["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"][0]["status"] == "incomplete"
    scene.forget()
    scene.write("too late", generation)
    scene.written(generation_id=generation)
    assert scene.events == []


def test_cancel_with_nothing_in_progress_is_harmless(scene: Scene) -> None:
    assert error(scene.client("response.cancel"))["code"] == "response_cancel_not_active"
    assert error(scene.client("response.cancel", response_id="resp_x"))["code"] == "response_cancel_not_active"


def test_answer_cut_off_by_its_limit_is_incomplete(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.client("response.create", response={"max_output_tokens": 5})
    assert b'"max_completion_tokens":5' in scene.last(act.StartGeneration).request.engine_body()
    scene.write("Once upon a")
    scene.written("length")
    done = scene.of("response.done")[0]["response"]
    assert done["status"] == "incomplete"
    assert done["status_details"]["reason"] == "max_output_tokens"
    assert done["max_output_tokens"] == 5


def test_failed_generation_ends_in_a_failed_response_and_a_usable_session(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.client("response.create")
    generation = scene.last(act.StartGeneration).generation_id
    scene.put(GenerationFailed(generation, "server_error", "overloaded", "No capacity."))
    done = scene.of("response.done")[0]["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "overloaded"
    scene.client("response.create")
    scene.answer("Now it works.")
    assert scene.of("response.done")[1]["response"]["status"] == "completed"


def test_response_outside_the_conversation_runs_beside_it(scene: Scene) -> None:
    scene.text_item("Remember the number 7.", event_id="e")
    item_id = scene.of("conversation.item.added")[0]["item"]["id"]
    scene.client("response.create")
    inside = scene.last(act.StartGeneration).generation_id
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Classify."}]}
    scene.forget()
    scene.client(
        "response.create",
        response={
            "conversation": "none",
            "metadata": {"topic": "x"},
            "instructions": "One word.",
            "tools": [],
            "input": [{"type": "item_reference", "id": item_id}, message],
        },
    )
    assert scene.messages() == [
        {"role": "system", "content": "One word."},
        {"role": "user", "content": "Remember the number 7."},
        {"role": "user", "content": "Classify."},
    ]
    outside = scene.last(act.StartGeneration).generation_id
    scene.write("math", outside)
    scene.written(generation_id=outside)
    done = scene.of("response.done")[0]["response"]
    assert done["metadata"] == {"topic": "x"}
    assert "conversation_id" not in done
    assert not scene.of("conversation.item.added")
    scene.write("Yes.", inside)
    scene.written(generation_id=inside)
    scene.client("response.create")
    assert [message["content"] for message in scene.messages()[1:]] == ["Remember the number 7.", "Yes."]


def test_responses_at_once_are_bounded() -> None:
    scene = Scene(abilities=TEXT_ONLY, limits=SessionLimits(max_responses=3))
    outside = {"conversation": "none", "input": []}
    for _ in range(2):
        assert "response.created" in [event["type"] for event in scene.client("response.create", response=outside)]
    assert error(scene.client("response.create", response=outside))["code"] == "too_many_responses"
    # The conversation's own place is kept free.
    assert "response.created" in [event["type"] for event in scene.client("response.create")]


def test_items_are_placed_after_the_one_that_is_named(scene: Scene) -> None:
    for item_id in ("a", "b"):
        scene.client("conversation.item.create", item=user(item_id))
    placed = scene.client("conversation.item.create", item=user("first"), previous_item_id="root")
    assert placed[0]["previous_item_id"] is None
    placed = scene.client("conversation.item.create", item=user("middle"), previous_item_id="a")
    assert placed[0]["previous_item_id"] == "a"
    scene.client("response.create")
    assert [message["content"] for message in scene.messages()[1:]] == ["first", "a", "middle", "b"]
    refused = error(scene.client("conversation.item.create", item=user("c"), previous_item_id="nope"))
    assert refused["param"] == "previous_item_id"
    assert error(scene.client("conversation.item.create", item=user("a")))["code"] == "item_create_duplicate_item_id"


def test_deleted_item_is_gone_and_an_unknown_one_is_an_error(scene: Scene) -> None:
    scene.client("conversation.item.create", item=user("a"))
    assert scene.client("conversation.item.delete", item_id="a")[0]["item_id"] == "a"
    assert error(scene.client("conversation.item.delete", item_id="a"))["code"] == "item_delete_invalid_item_id"
    assert error(scene.client("conversation.item.retrieve", item_id="a"))["code"] == "item_retrieve_invalid_item_id"
    assert error(scene.client("conversation.item.truncate", item_id="a", content_index=0, audio_end_ms=0))["param"] == "item_id"


def test_conversation_is_bounded_for_clients_and_rolls_for_answers() -> None:
    scene = Scene(abilities=TEXT_ONLY, limits=SessionLimits(max_items=3))
    for item_id in ("a", "b", "c"):
        scene.client("conversation.item.create", item=user(item_id))
    assert error(scene.client("conversation.item.create", item=user("d")))["code"] == "conversation_full"
    scene.client("response.create")
    scene.answer("Here.")
    assert scene.of("conversation.item.deleted")[0]["item_id"] == "a"
    assert scene.of("response.done")[0]["response"]["status"] == "completed"


def test_update_merges_clears_and_refuses_as_a_whole(scene: Scene) -> None:
    scene.client("session.update", session={"type": "realtime", "tools": [TOOL], "instructions": "Be kind."})
    session = scene.client("session.update", session={"type": "realtime", "max_output_tokens": 100})[0]["session"]
    assert session["instructions"] == "Be kind."
    assert session["tools"][0]["name"] == "order"
    refused = error(
        scene.client("session.update", session={"type": "realtime", "instructions": "x", "output_modalities": ["audio"]})
    )
    assert (refused["code"], refused["param"]) == ("audio_unavailable", "session.output_modalities")
    session = scene.client("session.update", session={"type": "realtime", "instructions": "", "tools": []})[0]["session"]
    assert session["instructions"] == ""
    assert session["tools"] == []


def test_what_clients_send_by_default_is_taken(scene: Scene) -> None:
    updated = scene.client(
        "session.update",
        session={
            "type": "realtime",
            "model": "gpt-realtime",
            "tracing": "auto",
            "prompt": {"id": "pmpt_1", "version": "2"},
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "noise_reduction": None,
                    "turn_detection": {"type": "semantic_vad", "eagerness": "medium", "interrupt_response": True},
                },
                "output": {"voice": "marin", "speed": 1.0},
            },
            "max_output_tokens": "inf",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
        },
    )
    assert [event["type"] for event in updated] == ["session.updated"]
    assert updated[0]["session"]["model"] == "demo"
    assert updated[0]["session"]["tracing"] == "auto"


def test_tools_that_no_model_takes_are_refused_by_field(scene: Scene) -> None:
    twice = error(scene.client("session.update", session={"type": "realtime", "tools": [TOOL, TOOL]}))
    assert twice["param"] == "session.tools.1.name"
    bad = {"type": "function", "name": "f", "parameters": {"type": "array"}}
    assert (
        error(scene.client("session.update", session={"type": "realtime", "tools": [bad]}))["code"] == "invalid_function_parameters"
    )
    mcp = {"type": "mcp", "server_label": "x", "server_url": "https://example.org"}
    refused = error(scene.client("session.update", session={"type": "realtime", "tools": [mcp]}))
    assert (refused["code"], refused["param"]) == ("unsupported_value", "session.tools.0.type")


def test_sound_is_refused_where_there_is_no_speech(scene: Scene) -> None:
    assert error(scene.client("input_audio_buffer.append", audio="AAAA"))["code"] == "audio_unavailable"
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]}
    assert error(scene.client("conversation.item.create", item=item))["code"] == "audio_unavailable"
    assert error(scene.client("response.create", response={"output_modalities": ["audio"]}))["code"] == "audio_unavailable"
    assert error(scene.client("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


def test_session_expires_with_openai_s_words_and_close_code(scene: Scene) -> None:
    scene.text_item("Hello")
    scene.client("response.create")
    assert scene.machine.wakeup_s == 100.0 + 3600
    scene.now = 100.0 + 3600
    scene.forget()
    scene.tick()
    assert scene.kinds()[-1] == "error"
    assert scene.events[-1]["error"]["code"] == "session_expired"
    assert scene.events[-1]["error"]["message"] == "Your session hit the maximum duration of 60 minutes."
    closed = scene.last(act.Close)
    assert (closed.code, closed.reason) == (1001, "Your session hit the maximum duration of 60 minutes.")
    assert scene.count(act.CancelGeneration) == 1
    assert scene.client("response.create") == []


def test_context_that_is_too_long_is_shortened_and_tried_again(scene: Scene) -> None:
    for number in range(6):
        scene.text_item(f"Item {number}")
    scene.client("response.create")
    before = len(scene.messages())
    generation = scene.last(act.StartGeneration).generation_id
    scene.put(GenerationFailed(generation, "invalid_request_error", "context_length_exceeded", "Too long."))
    assert len(scene.messages()) < before
    assert scene.messages()[-1]["content"] == "Item 5"
    scene.answer("Shorter.")
    assert scene.of("response.done")[0]["response"]["status"] == "completed"


def test_old_items_are_dropped_before_the_window_is_full_and_stay_dropped() -> None:
    scene = Scene(abilities=Abilities(context_tokens=1000))
    scene.usage = Usage(prompt_tokens=800, completion_tokens=2, cached_tokens=0, reasoning_tokens=0)
    long = "word " * 200
    for _ in range(6):
        scene.text_item(long)
    scene.client("response.create", response={"max_output_tokens": 100})
    kept = scene.messages()
    assert 1 < len(kept) < 7
    scene.answer("Fine.")
    scene.client("response.create", response={"max_output_tokens": 100})
    assert scene.messages()[:2] == kept[:2]


def test_disabled_truncation_fails_the_response() -> None:
    scene = Scene(abilities=Abilities(context_tokens=300))
    scene.client("session.update", session={"type": "realtime", "truncation": "disabled"})
    scene.text_item("word " * 400)
    scene.client("response.create")
    done = scene.of("response.done")[0]["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "context_length_exceeded"


def user(item_id: str) -> dict[str, object]:
    return {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": item_id}]}
