"""Events between their messages and the structs that sessions work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError, Message

from cluster.edges.grpc.generated.ossature.realtime.v1 import answer_events_pb2, client_events_pb2, realtime_pb2
from cluster.edges.grpc.translate.shapes import shape_of
from cluster.errors import InvalidRequest
from cluster.realtime.protocol import decoding, errors, server_events
from cluster.realtime.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent, InputAudioAppend, SessionUpdate
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.server_events import SERVER_EVENTS, ServerEvent
from cluster.realtime.protocol.session_objects import SessionUpdateBody

START: Final = "session_start"
"""The first event of a call, which a WebSocket says with its address."""

_EVENT: Final = "event"
_CLIENT_TYPES: Final = {kind.replace(".", "_"): kind for kind in CLIENT_EVENT_TYPES}
_SERVER_TYPES: Final = {kind.replace(".", "_"): kind for kind in SERVER_EVENTS}
_APPEND: Final = "input_audio_buffer_append"
_MAX_EVENT_ID_CHARS: Final = 512


# --- the server's side ----------------------------------------------------------------------------------------------------


def decoded(data: bytes) -> realtime_pb2.ConverseRequest:
    """Raises :class:`EventRefused` for bytes that are no event that this server knows."""
    try:
        request = realtime_pb2.ConverseRequest.FromString(data)
    except DecodeError:
        raise EventRefused("invalid_event", "The message is no valid ossature.realtime.v1.ConverseRequest.") from None
    if request.WhichOneof(_EVENT) is None:
        raise EventRefused("invalid_event", "The message has no event that this server knows.", event_id=event_id_of(request))
    return request


def client_event(data: bytes) -> ClientEvent:
    """Raises :class:`EventRefused`, which names the event if the message told its id."""
    request = decoded(data)
    arm = request.WhichOneof(_EVENT)
    try:
        if arm == START:
            raise EventRefused("invalid_event", "The session has been started already.", param=START)
        if arm == _APPEND and len(request.event_id) <= _MAX_EVENT_ID_CHARS:
            # Fifty times a second in each session that listens, and nothing else to check.
            return InputAudioAppend(event_id=event_id_of(request), audio=request.input_audio_buffer_append.audio)
        return decoding.convert(client_document(request))
    except EventRefused as refused:
        refused.event_id = refused.event_id or event_id_of(request)
        raise


def start_of(data: bytes) -> tuple[str | None, SessionUpdateBody | None]:
    """Model and settings of a ``session_start``, the first event. Raises :class:`EventRefused`, also for another event."""
    request = decoded(data)
    if request.WhichOneof(_EVENT) != START:
        raise errors.missing(START)
    start: client_events_pb2.SessionStart = request.session_start
    asked = _json_of(start)
    if "session" not in asked:
        return asked.get("model"), None
    update = decoding.convert({"type": "session.update", "session": asked["session"]})
    assert isinstance(update, SessionUpdate)
    return asked.get("model"), update.session


def response_of(event: ServerEvent) -> realtime_pb2.ConverseResponse:
    """The message for an event."""
    if isinstance(event, server_events.AudioDelta):
        # Twenty times a second in each session that speaks.
        return realtime_pb2.ConverseResponse(
            event_id=event.event_id,
            response_output_audio_delta=answer_events_pb2.AudioDelta(
                response_id=event.response_id,
                output_index=event.output_index,
                item_id=event.item_id,
                content_index=event.content_index,
                delta=event.delta,
            ),
        )
    response = realtime_pb2.ConverseResponse()
    _fill(response, msgspec.to_builtins(event, builtin_types=(bytes,)))
    return response


def event_id_of(request: realtime_pb2.ConverseRequest) -> str | None:
    """The id that a client gave an event, whatever else it is."""
    return request.event_id[:_MAX_EVENT_ID_CHARS] if request.HasField("event_id") else None


# --- the client's side ----------------------------------------------------------------------------------------------------


def client_document(request: realtime_pb2.ConverseRequest) -> dict[str, Any]:
    """A client's event as JSON has it, audio as ``bytes``. Raises :class:`EventRefused` for what JSON could not say."""
    return _document(request, _CLIENT_TYPES)


def request_of(document: Mapping[str, Any]) -> realtime_pb2.ConverseRequest:
    """The message for a client's event as JSON has it, audio as ``bytes``."""
    request = realtime_pb2.ConverseRequest()
    _fill(request, document)
    return request


def server_document(response: realtime_pb2.ConverseResponse) -> dict[str, Any]:
    """A server's event as JSON has it, audio as ``bytes``."""
    return _document(response, _SERVER_TYPES)


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _fill(envelope: Message, document: Mapping[str, Any]) -> None:
    """``document``: an event. Members that the protos have no place for are left out."""
    if document.get("event_id") is not None:
        envelope.event_id = document["event_id"]  # type: ignore[attr-defined]  # both envelopes have it
    event: Message = getattr(envelope, str(document["type"]).replace(".", "_"))
    shape_of(event.DESCRIPTOR).fill(event, {name: value for name, value in document.items() if name not in ("type", "event_id")})


def _document(envelope: Message, types: Mapping[str, str]) -> dict[str, Any]:
    arm = envelope.WhichOneof(_EVENT)
    assert arm is not None
    event: Message = getattr(envelope, arm)
    return {"type": types[arm], **_event_id(envelope), **_json_of(event)}


def _json_of(event: Message) -> dict[str, Any]:
    try:
        document = shape_of(event.DESCRIPTOR).to_json(event, "")
    except InvalidRequest as error:
        raise EventRefused.of(error) from None
    assert isinstance(document, dict)
    return document


def _event_id(envelope: Any) -> dict[str, Any]:
    if isinstance(envelope, realtime_pb2.ConverseRequest) and not envelope.HasField("event_id"):
        return {}
    return {"event_id": envelope.event_id}
