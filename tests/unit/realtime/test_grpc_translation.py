"""Messages and structs say the same: every event, every member, every alternative, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.edges.grpc.generated.ossature.realtime.v1 import client_events_pb2, realtime_pb2, session_pb2
from cluster.edges.grpc.realtime import events
from cluster.realtime.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent, InputAudioAppend
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import SERVER_EVENTS
from tests.unit.grpc.descriptors import messages
from tests.unit.realtime.protocol_samples import LEFT_OUT, LEFT_OUT_KINDS, samples, struct_fields

_NULLABLE = {"transcription", "noise_reduction", "turn_detection", "max_output_tokens"}
"""Members whose null the protos can say. Elsewhere it means what the member's absence means."""

CLIENT_SAMPLES = [sample for sample in samples(ClientEvent) if sample["type"] in CLIENT_EVENT_TYPES]
SERVER_SAMPLES: list[tuple[Any, dict[str, Any]]] = [(kind, sample) for kind in SERVER_EVENTS.values() for sample in samples(kind)]


def arms(message: type[Message]) -> set[str]:
    return {field.name for field in message.DESCRIPTOR.oneofs_by_name["event"].fields}


def plain(value: Any, name: str = "") -> Any:
    """As the protos can say it: no limit is null, and other nulls and what the protos leave out are not said."""
    if isinstance(value, dict):
        kept = {key: plain(each, key) for key, each in value.items()}
        return {key: each for key, each in kept.items() if (each is not None or key in _NULLABLE) and key not in ("object", "rate")}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return None if name == "max_output_tokens" and value == "inf" else value


def without_empty_lists(value: Any) -> Any:
    """Repeated fields can't be told from absent ones where nothing depends on it."""
    if isinstance(value, dict):
        return {key: without_empty_lists(each) for key, each in value.items() if each != []}
    return [without_empty_lists(each) for each in value] if isinstance(value, list) else value


def test_every_event_of_the_protocol_has_its_place() -> None:
    assert arms(realtime_pb2.ConverseRequest) == {kind.replace(".", "_") for kind in CLIENT_EVENT_TYPES} | {events.START}
    assert arms(realtime_pb2.ConverseResponse) == {kind.replace(".", "_") for kind in SERVER_EVENTS}
    assert {sample["type"] for sample in CLIENT_SAMPLES} == set(CLIENT_EVENT_TYPES)
    assert {sample["type"] for _, sample in SERVER_SAMPLES} == set(SERVER_EVENTS)


@pytest.mark.parametrize("document", CLIENT_SAMPLES, ids=lambda sample: sample["type"])
def test_client_event_means_the_same_as_over_a_websocket(document: dict[str, Any]) -> None:
    # Without the rules that types can't say, which samples break: they are checked behind the translation.
    expected = msgspec.convert(plain(document), ClientEvent)
    assert msgspec.convert(events.client_document(events.request_of(document)), ClientEvent) == expected


@pytest.mark.parametrize(("kind", "document"), SERVER_SAMPLES, ids=lambda value: getattr(value, "__name__", ""))
def test_server_event_says_all_that_it_says_over_a_websocket(kind: Any, document: dict[str, Any]) -> None:
    event = msgspec.convert(document, kind)
    expected = plain(msgspec.to_builtins(event, builtin_types=(bytes,)))
    sent = realtime_pb2.ConverseResponse.FromString(events.response_of(event).SerializeToString())
    told = events.server_document(sent)
    if kind is SERVER_EVENTS["input_audio_buffer.dtmf_event_received"]:
        assert told.pop("event_id") == ""  # the one event without
    assert without_empty_lists(told) == without_empty_lists(expected)


def test_no_field_of_the_protos_is_without_a_member() -> None:
    filled = [events.request_of(sample) for sample in CLIENT_SAMPLES]
    filled.append(realtime_pb2.ConverseRequest(session_start=client_events_pb2.SessionStart(model="m")))
    shown = [events.response_of(msgspec.convert(sample, kind)) for kind, sample in SERVER_SAMPLES]
    touched = {name for message in [*filled, *shown] for name in set_fields(message)}
    assert touched >= {
        name for message in (realtime_pb2.ConverseRequest, realtime_pb2.ConverseResponse) for name in all_fields(message.DESCRIPTOR)
    } - {"ossature.realtime.v1.SessionStart.session"}


def set_fields(message: Message) -> Iterator[str]:
    listed: Any = message.ListFields()
    for field, value in listed:
        yield field.full_name
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                yield from set_fields(each)
    for field in message.DESCRIPTOR.fields:
        if (
            field.enum_type is not None
            and field.enum_type.full_name == "google.protobuf.NullValue"
            and message.HasField(field.name)
        ):
            yield field.full_name
        elif not field.has_presence and not field.is_repeated:
            yield field.full_name  # always sent, zeros as well


def all_fields(descriptor: Any, seen: set[str] | None = None) -> Iterator[str]:
    seen = set() if seen is None else seen
    if descriptor.full_name in seen or descriptor.GetOptions().map_entry:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        yield field.full_name
        if field.message_type is not None:
            yield from all_fields(field.message_type, seen)


def test_what_is_left_out_exists() -> None:
    assert all(name in struct_fields(kind) for kind, name in LEFT_OUT)
    assert all(issubclass(kind, msgspec.Struct) for kind in LEFT_OUT_KINDS)


def test_order_of_a_schema_s_properties_survives() -> None:
    schema = {"type": "object", "properties": {"zebra": {"type": "string"}, "apple": {"type": "integer", "maximum": 2**60 + 1}}}
    tool = {"type": "function", "name": "order", "parameters": schema}
    event: Any = events.client_event(
        events.request_of({"type": "session.update", "session": {"type": "realtime", "tools": [tool]}}).SerializeToString()
    )
    parameters = event.session.tools[0].parameters
    assert list(parameters["properties"]) == ["zebra", "apple"]
    assert parameters["properties"]["apple"]["maximum"] == 2**60 + 1


def test_absent_empty_and_null_are_three_things() -> None:
    cases: list[tuple[dict[str, Any], str]] = [({}, "UNSET"), ({"tools": []}, "[]")]
    for asked, expected in cases:
        document = {"type": "session.update", "session": {"type": "realtime", **asked}}
        event: Any = events.client_event(events.request_of(document).SerializeToString())
        assert repr(event.session.tools) == expected
    update = session_pb2.AudioInput(no_turn_detection="NULL_VALUE")
    request = realtime_pb2.ConverseRequest()
    request.session_update.session.realtime.audio.input.CopyFrom(update)
    event = events.client_event(request.SerializeToString())
    assert event.session.audio.input.turn_detection is None
    assert event.session.audio.input.transcription is msgspec.UNSET


@pytest.mark.parametrize("named", [{}, {"event_id": "mine"}], ids=["unnamed", "named"])
def test_audio_is_taken_as_it_is(named: dict[str, str]) -> None:
    request = events.request_of({"type": "input_audio_buffer.append", "audio": b"\x00\xff", **named})
    assert events.client_event(request.SerializeToString()) == InputAudioAppend(audio=b"\x00\xff", event_id=named.get("event_id"))


def test_event_id_beyond_its_bound_is_refused_also_with_audio() -> None:
    with pytest.raises(EventRefused) as caught:
        events.client_event(realtime_pb2.ConverseRequest(event_id="x" * 513, input_audio_buffer_append={}).SerializeToString())
    assert caught.value.param == "event_id"


def test_zero_is_said() -> None:
    document = {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 0}
    event: Any = events.client_event(events.request_of(document).SerializeToString())
    assert (event.content_index, event.audio_end_ms) == (0, 0)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=64) | messages(realtime_pb2.ConverseRequest).map(lambda message: message.SerializeToString()))
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    with suppress(EventRefused):
        assert isinstance(events.client_event(data), ClientEvent)
