"""Beta events to GA events, before they are validated: one validator for both dialects.

What has no place in the beta dialect is not looked at here; the validator refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.realtime.protocol import decoding, errors
from cluster.realtime.protocol.beta import names
from cluster.realtime.protocol.client_events import ClientEvent
from cluster.realtime.protocol.errors import EventRefused


def decode(frame: bytes | str) -> ClientEvent:
    """A frame of the beta dialect. Raises :class:`EventRefused`, in the dialect's own names."""
    document: Any = None
    try:
        document = decoding.parse(frame)
        return decoding.convert(_translated(document) if isinstance(document, dict) else document)
    except EventRefused as refused:
        refused.event_id = refused.event_id or decoding.event_id_of(document)
        ga, refused.param = refused.param, names.param(refused.param)
        if ga is not None and refused.param is not None:
            refused.message = refused.message.replace(f"'{ga}'", f"'{refused.param}'")
        raise


def _translated(event: dict[str, Any]) -> dict[str, Any]:
    match event.get("type"):
        case "session.update":
            return {**event, "session": _session(event.get("session"))} if "session" in event else event
        case "transcription_session.update":
            changed = {**event, "type": "session.update"}
            return {**changed, "session": _transcription(event.get("session"))} if "session" in event else changed
        case "response.create" if isinstance(event.get("response"), dict):
            return {**event, "response": _response(event["response"])}
        case "conversation.item.create":
            return {**event, "item": _item(event.get("item"))} if "item" in event else event
        case _:
            return event


def session_settings(given: dict[str, Any], *, transcription: bool) -> dict[str, Any]:
    """The flat settings of a session, as a beta client sends them by HTTP, in the GA shape. Raises :class:`EventRefused`."""
    settings: dict[str, Any] = _transcription(given) if transcription else _session(given)
    return settings


def _session(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {**_moved(given, names.SESSION_PLACES), "type": "realtime"}


def _transcription(given: Any) -> Any:
    """``modalities`` and ``client_secret`` say nothing about a running transcription session."""
    if not isinstance(given, dict):
        return given
    kept = {name: value for name, value in given.items() if name not in ("modalities", "client_secret")}
    return {**_moved(kept, names.SESSION_PLACES), "type": "transcription"}


def _response(given: dict[str, Any]) -> dict[str, Any]:
    moved = _moved(given, names.RESPONSE_PLACES)
    if isinstance(moved.get("input"), list):
        moved["input"] = [_item(item) for item in moved["input"]]
    return moved


def _moved(given: Mapping[str, Any], places: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    if "audio" in given:
        # It would be taken for what is moved there.
        raise errors.unknown("session.audio" if places is names.SESSION_PLACES else "response.audio")
    moved: dict[str, Any] = {}
    for name, value in given.items():
        *way, last = places.get(name, (name,))
        target = moved
        for step in way:
            target = target.setdefault(step, {})
        target[last] = _value(name, value)
    return moved


def _value(name: str, value: Any) -> Any:
    match name:
        case "input_audio_format" | "output_audio_format" if isinstance(value, str):
            return names.FORMATS.get(value, {"type": value})
        case "modalities" if isinstance(value, list):
            return ["audio"] if "audio" in value else value
        case "tools" if isinstance(value, list):
            return [{"type": "function", **tool} if isinstance(tool, dict) else tool for tool in value]
        case "tool_choice" if isinstance(value, str) and value not in ("none", "auto", "required"):
            # The beta dialect names a function by its name alone.
            return {"type": "function", "name": value}
        case _:
            return value


def _item(item: Any) -> Any:
    if not isinstance(item, dict) or item.get("role") != "assistant" or not isinstance(item.get("content"), list):
        return item
    return {**item, "content": [_part(part) for part in item["content"]]}


def _part(part: Any) -> Any:
    if isinstance(part, dict) and isinstance(part.get("type"), str):
        return {**part, "type": names.PARTS_IN.get(part["type"], part["type"])}
    return part
