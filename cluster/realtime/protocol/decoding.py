"""From a frame to a client event, strictly: UTF-8 JSON, one object, every field known and of its type."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from cluster.realtime.protocol import errors
from cluster.realtime.protocol.client_events import CLIENT_EVENT_TYPES, ClientEvent, ResponseCreate, SessionUpdate
from cluster.realtime.protocol.errors import EventRefused
from cluster.realtime.protocol.items import PARTS_OF_ROLE, InputItem, Message
from cluster.realtime.protocol.responses import ResponseParams
from cluster.realtime.protocol.session_objects import RealtimeSessionUpdate
from cluster.realtime.protocol.structs import UNSET
from cluster.realtime.protocol.validation import refusal

_EVENT_ID_CHARS = 512

_decoder: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)
_plain = msgspec.json.Decoder()


def decode(frame: bytes | str) -> ClientEvent:
    """A frame of the GA dialect. Raises :class:`EventRefused`, which names the event if the frame told its id."""
    data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    try:
        event = _decoder.decode(data)
        check_characters(data)
        check(event)
    except EventRefused as error:
        error.event_id = error.event_id or event_id_of(_parsed(data))
        raise
    except msgspec.ValidationError as error:
        _explain(error, _parsed(data))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.bad_json(_words(error)) from None
    _refuse_beta_fields(event)
    return event


def convert(document: object) -> ClientEvent:
    """The same for an event that has been parsed already. Raises :class:`EventRefused`."""
    try:
        event: ClientEvent = msgspec.convert(document, ClientEvent)
        check(event)
    except EventRefused as error:
        error.event_id = error.event_id or event_id_of(document)
        raise
    except msgspec.ValidationError as error:
        _explain(error, document)
    return event


def parse(frame: bytes | str) -> Any:
    """A frame as plain JSON values. Raises :class:`EventRefused`."""
    data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
    try:
        document = _plain.decode(data)
        check_characters(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.bad_json(_words(error)) from None
    return document


def check_characters(data: bytes) -> None:
    """Refuse NUL characters: nothing inside can store or render them."""
    if b"\\u0000" in data and b"\\u0000" in data.replace(b"\\\\", b""):
        raise EventRefused("invalid_value", "The event holds a NUL character (\\u0000), which is not allowed.")


def check(event: ClientEvent) -> None:
    """What types can't say. Raises :class:`EventRefused`."""
    match event:
        case ResponseCreate(response=ResponseParams(input=list() as items)):
            for index, item in enumerate(items):
                check_item(item, f"response.input.{index}")
        case _:
            item = getattr(event, "item", None)
            if item is not None:
                check_item(item, "item")


def check_item(item: InputItem, param: str) -> None:
    """That the parts of a message are of its role, and have what their type is about. Raises :class:`EventRefused`."""
    if not isinstance(item, Message):
        return
    allowed = PARTS_OF_ROLE[item.role]
    for index, part in enumerate(item.content):
        place = f"{param}.content.{index}"
        if part.type not in allowed:
            raise EventRefused(
                "invalid_value",
                f"Invalid value for '{place}.type': '{part.type}'. A message of role '{item.role}' takes "
                f"{' and '.join(repr(name) for name in sorted(allowed))}.",
                param=f"{place}.type",
            )
        needed = {"input_text": "text", "output_text": "text", "input_audio": "audio", "input_image": "image_url"}.get(part.type)
        if needed is not None and getattr(part, needed) is UNSET:
            raise errors.missing(f"{place}.{needed}")


def _explain(error: msgspec.ValidationError, document: object) -> NoReturn:
    event_id = event_id_of(document)
    if not isinstance(document, dict):
        raise EventRefused("invalid_event", "An event must be a JSON object with a 'type'.") from None
    kind = document.get("type")
    if kind is None:
        raise EventRefused("invalid_event", "The 'type' field is missing.", param="type", event_id=event_id) from None
    if not isinstance(kind, str) or kind not in CLIENT_EVENT_TYPES:
        raise EventRefused(
            "invalid_value",
            f"Invalid value: {str(kind)[:100]!r}. Supported values are: {', '.join(repr(name) for name in CLIENT_EVENT_TYPES)}.",
            param="type",
            event_id=event_id,
        ) from None
    refused = refusal(error, document)
    refused.event_id = event_id
    raise refused from None


def _refuse_beta_fields(event: ClientEvent) -> None:
    match event:
        case SessionUpdate(session=RealtimeSessionUpdate(temperature=value)) if value is not UNSET:
            param = "session.temperature"
        case ResponseCreate(response=ResponseParams(temperature=value)) if value is not UNSET:
            param = "response.temperature"
        case _:
            return
    refused = errors.unknown(param)
    refused.event_id = event.event_id
    raise refused


def _parsed(data: bytes) -> object:
    """Again, without types. The typed parse ends at the first problem, so that this one may meet another, later one."""
    try:
        return _plain.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.bad_json(_words(error)) from None


def event_id_of(document: object) -> str | None:
    """The id that a client gave an event, whatever else it is."""
    given = document.get("event_id") if isinstance(document, dict) else None
    return given[:_EVENT_ID_CHARS] if isinstance(given, str) else None


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8."
    return f"{str(error)[:200]}."
