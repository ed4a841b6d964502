"""GA events to beta events, as they are sent."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.realtime.protocol import server_events as ga
from cluster.realtime.protocol.beta import names

_UNKNOWN_THERE = (ga.ItemDone, ga.TimeoutTriggered)
"""Events that the beta dialect has no word for. ``conversation.item.created`` has said all that it says of an item."""

_encode = msgspec.json.Encoder().encode


def encode(event: ga.ServerEvent) -> list[bytes]:
    """The event in the beta dialect; nothing, if it does not exist there."""
    if isinstance(event, _UNKNOWN_THERE):
        return []
    plain: dict[str, Any] = msgspec.to_builtins(event)
    plain["type"] = _type(event, plain)
    if "session" in plain:
        plain["session"] = session(plain["session"])
    if "response" in plain:
        plain["response"] = _response(plain["response"])
    if "item" in plain:
        plain["item"] = _item(plain["item"])
    if isinstance(event, ga.Error):
        plain["error"] = _error(plain["error"])
    return [_encode(plain)]


def session(shown: dict[str, Any]) -> dict[str, Any]:
    """A session in the flat shape."""
    flat = {name: value for name, value in shown.items() if name not in ("type", "audio")}
    listening = shown["audio"]["input"]
    flat["input_audio_format"] = names.FORMAT_NAMES[listening["format"]["type"]]
    flat["input_audio_transcription"] = listening.get("transcription")
    flat["input_audio_noise_reduction"] = listening.get("noise_reduction")
    flat["turn_detection"] = listening["turn_detection"]
    if shown["type"] == "transcription":
        return flat
    speaking = shown["audio"]["output"]
    flat["output_audio_format"] = names.FORMAT_NAMES[speaking["format"]["type"]]
    flat["voice"] = speaking["voice"]
    flat["speed"] = speaking["speed"]
    flat["modalities"] = _modalities(flat.pop("output_modalities"))
    flat["max_response_output_tokens"] = flat.pop("max_output_tokens")
    flat.setdefault("temperature", None)
    return flat


def _type(event: ga.ServerEvent, plain: dict[str, Any]) -> str:
    kind = str(plain["type"])
    if isinstance(event, ga.ItemAdded):
        return "conversation.item.created"
    if isinstance(event, ga.SessionCreated | ga.SessionUpdated) and plain["session"]["type"] == "transcription":
        return f"transcription_{kind}"
    for theirs, ours in names.EVENTS.items():
        if kind.startswith(theirs):
            return ours + kind.removeprefix(theirs)
    return kind


def _response(shown: dict[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in shown.items() if name != "audio"}
    flat["modalities"] = _modalities(flat.pop("output_modalities"))
    flat["output"] = [_item(item) for item in shown["output"]]
    if "audio" in shown:
        flat["voice"] = shown["audio"]["output"]["voice"]
        flat["output_audio_format"] = names.FORMAT_NAMES[shown["audio"]["output"]["format"]["type"]]
    return flat


def _item(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("role") != "assistant":
        return item
    return {**item, "content": [{**part, "type": names.PARTS.get(part["type"], part["type"])} for part in item["content"]]}


def _error(error: dict[str, Any]) -> dict[str, Any]:
    ga_param, param = error["param"], names.param(error["param"])
    message = error["message"]
    if ga_param is not None and param is not None:
        message = message.replace(f"'{ga_param}'", f"'{param}'")
    return {**error, "param": param, "message": message}


def _modalities(output: list[str]) -> list[str]:
    return ["text", "audio"] if "audio" in output else ["text"]
