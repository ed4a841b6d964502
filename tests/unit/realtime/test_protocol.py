"""The protocol against OpenAI's own description of it, and what is said to whoever gets it wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
import yaml

from cluster.realtime.protocol import client_events, decoding
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import SERVER_EVENTS
from tests.openai_schema import ABSENT, DESCRIPTION
from tests.unit.realtime.scene import component

#: Events of the description whose own examples contradict it, and how.
WRONG_EXAMPLES = {
    "RealtimeServerEventInputAudioBufferDtmfEventReceived": "a blank before its type",
}
#: Fields that examples show and the description does not have, or has in another shape: not ours to send.
SHOWN_ONLY = {"RealtimeServerEventConversationItemRetrieved", "RealtimeServerEventConversationItemCreated"}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    if not DESCRIPTION.exists():
        pytest.skip(ABSENT)
    document = yaml.load(DESCRIPTION.read_text(), Loader=yaml.CSafeLoader)
    components: dict[str, Any] = document["components"]["schemas"]
    return components


def members(schemas: dict[str, Any], union: str) -> list[str]:
    return [reference["$ref"].rpartition("/")[2] for reference in schemas[union]["anyOf"]]


def wire_type(schema: dict[str, Any]) -> str:
    kind = schema["properties"]["type"]
    return str(kind["const"] if "const" in kind else kind["enum"][0])


def examples(schema: dict[str, Any]) -> list[Any]:
    """The objects of an example, without its comments and trailing commas."""
    text = schema.get("x-oaiMeta", {}).get("example", "")
    text = re.sub(r"(^|\s)//[^\n]*", "", text)
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    found = []
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text.strip())
        found.append(value)
        text = text.strip()[end:]
    return found


def test_every_event_of_the_description_is_known(schemas: dict[str, Any]) -> None:
    theirs = {wire_type(schemas[name]) for name in members(schemas, "RealtimeClientEvent")}
    assert theirs == set(client_events.CLIENT_EVENT_TYPES)
    theirs = {wire_type(schemas[name]) for name in members(schemas, "RealtimeServerEvent")}
    assert theirs == set(SERVER_EVENTS)


def test_names_of_components_are_told_by_the_type(schemas: dict[str, Any]) -> None:
    for name in members(schemas, "RealtimeServerEvent"):
        assert component(wire_type(schemas[name])) == name


def test_every_field_of_a_server_event_is_known_and_required_alike(schemas: dict[str, Any]) -> None:
    for name in members(schemas, "RealtimeServerEvent"):
        schema = schemas[name]
        kind = SERVER_EVENTS[wire_type(schema)]
        ours = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        assert set(schema["properties"]) - {"type"} == set(ours), name
        for field in schema.get("required", []):
            assert field == "type" or ours[field].required, f"{name}.{field}"


def test_every_field_of_a_client_event_is_known(schemas: dict[str, Any]) -> None:
    for name in members(schemas, "RealtimeClientEvent"):
        kind = next(kind for kind in client_events.ClientEvent.__args__ if kind.__struct_config__.tag == wire_type(schemas[name]))
        ours = {field.encode_name for field in msgspec.structs.fields(kind)}
        assert set(schemas[name]["properties"]) - {"type"} == ours, name


def test_every_example_of_a_client_event_is_taken(schemas: dict[str, Any]) -> None:
    taken = 0
    for name in members(schemas, "RealtimeClientEvent"):
        for example in examples(schemas[name]):
            if example["type"] == "input_audio_buffer.append":
                example["audio"] = "AAAA"  # the description shortens it
            event = decoding.decode(json.dumps(example))
            assert event.__struct_config__.tag == example["type"]
            taken += 1
    assert taken >= 12


def test_every_example_of_a_server_event_has_our_shape(schemas: dict[str, Any]) -> None:
    taken = 0
    for name in members(schemas, "RealtimeServerEvent"):
        for example in examples(schemas[name]):
            if name in WRONG_EXAMPLES or name in SHOWN_ONLY:
                continue
            ours = {field.encode_name for field in msgspec.structs.fields(SERVER_EVENTS[example["type"]])}
            assert set(example) - {"type", "obfuscation"} <= ours, name  # padding that the description shows, but does not know
            taken += 1
    assert taken >= 40


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update", "session": {"type": "realtime", "foo": 1}}, "unknown_parameter", "session.foo"),
        ({"type": "session.update", "session": {"instructions": "x"}}, "missing_required_parameter", "session.type"),
        (
            {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
            "unknown_parameter",
            "session.temperature",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "tools": [{"type": "function", "name": "a"}, {"type": "function"}]},
            },
            "missing_required_parameter",
            "session.tools.1.name",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "x"}}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 5000}},
            "integer_above_max_value",
            "session.max_output_tokens",
        ),
        ({"type": "input_audio_buffer.append", "audio": "!!!"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "assistant", "content": [{"type": "input_text"}]},
            },
            "invalid_value",
            "item.content.0.type",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_text"}]}},
            "missing_required_parameter",
            "item.content.0.text",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": -1},
            "integer_below_min_value",
            "audio_end_ms",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1.5},
            "invalid_type",
            "audio_end_ms",
        ),
        ({"type": "conversation.item.delete", "item_id": ""}, "invalid_value", "item_id"),
        ({"type": "response.create", "response": {"metadata": {"a": 1}}}, "invalid_type", "response.metadata"),
        ({"type": "nope"}, "invalid_value", "type"),
        ({}, "invalid_event", "type"),
    ],
)
def test_error_names_the_field_and_the_event(event: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(EventRefused) as refused:
        decoding.decode(json.dumps({"event_id": "mine", **event}))
    assert (refused.value.code, refused.value.param, refused.value.event_id) == (code, param, "mine")


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"\xff", b"[" * 100_000, '{"a": "\ud800"}', b'{"type": "input_audio_buffer.clear"} x', b"null", b"[]", b"3"],
)
def test_what_is_no_json_object_is_refused(frame: bytes | str) -> None:
    with pytest.raises(EventRefused) as refused:
        decoding.decode(frame)
    assert refused.value.code in ("invalid_json", "invalid_event")


def test_nul_characters_are_refused_and_escaped_backslashes_are_not() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a\0"}]}
    with pytest.raises(EventRefused, match="NUL"):
        decoding.decode(json.dumps({"type": "conversation.item.create", "item": item}))
    item["content"] = [{"type": "input_text", "text": "a\\u0000"}]
    decoding.decode(json.dumps({"type": "conversation.item.create", "item": item}))


def test_update_tells_what_is_left_out_from_null() -> None:
    given = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}
    event = decoding.decode(json.dumps(given))
    assert isinstance(event, client_events.SessionUpdate)
    assert event.session.audio is not msgspec.UNSET
    assert event.session.audio.input is not msgspec.UNSET
    assert event.session.audio.input.turn_detection is None
    assert event.session.audio.input.transcription is msgspec.UNSET
