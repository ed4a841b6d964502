"""Values of every shape that a struct of the protocol can have, made from its types, so that new fields are covered untold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import inspect

from cluster.realtime.protocol import audio, items, responses, server_events, session_objects, tools

LEFT_OUT: Mapping[tuple[type, str], str] = {
    (session_objects.RealtimeSessionUpdate, "include"): "has no effect",
    (session_objects.RealtimeSessionUpdate, "tracing"): "has no effect",
    (session_objects.RealtimeSessionUpdate, "prompt"): "has no effect",
    (session_objects.RealtimeSessionUpdate, "temperature"): "of the beta dialect",
    (session_objects.TranscriptionSessionUpdate, "include"): "has no effect",
    (session_objects.RealtimeSession, "include"): "can't be set",
    (session_objects.RealtimeSession, "tracing"): "can't be set",
    (session_objects.RealtimeSession, "prompt"): "can't be set",
    (session_objects.RealtimeSession, "temperature"): "of the beta dialect",
    (session_objects.TranscriptionSession, "include"): "can't be set",
    (responses.ResponseParams, "prompt"): "has no effect",
    (responses.ResponseParams, "temperature"): "of the beta dialect",
    (responses.Response, "temperature"): "of the beta dialect",
    (audio.Transcription, "languages"): "has no effect",
    (audio.Transcription, "keywords"): "has no effect",
    (audio.Transcription, "delay"): "has no effect",
    (audio.Pcm, "rate"): "there is one",
}
"""Members without a field in the protos, and why."""

LEFT_OUT_KINDS: Mapping[type, str] = {
    audio.CustomVoice: "a name says the same",
    session_objects.Tracing: "has no effect",
    tools.McpTool: "is refused",
    tools.McpChoice: "is refused",
    items.McpApprovalResponse: "is refused",
    items.McpListTools: "is refused",
    items.McpCall: "is refused",
    items.McpApprovalRequest: "is refused",
}
_CONSTANT = "object"

#: Parts have fields that go with their type only.
_GIVEN: Mapping[type, list[dict[str, Any]]] = {
    items.Part: [
        {"type": "input_text", "text": "text"},
        {"type": "input_audio", "audio": b"\x00\x01", "transcript": "words"},
        {"type": "input_audio"},
        {"type": "input_image", "image_url": "data:,", "detail": "low"},
        {"type": "output_text", "text": "text"},
        {"type": "output_audio", "audio": b"\x00\x01", "transcript": "words"},
    ],
    audio.NoiseReduction: [{"type": "near_field"}, {"type": "far_field"}],
    server_events.ShownPart: [{"type": "text", "text": "text"}, {"type": "audio", "transcript": "words"}, {"type": "audio"}],
}


def samples(kind: Any) -> list[dict[str, Any]]:
    """As JSON has them, ``bytes`` for audio: together they have every member, and every alternative of each."""
    found: list[dict[str, Any]] = _of(inspect.type_info(kind))
    return found


def _of(info: inspect.Type) -> list[Any]:
    match info:
        case inspect.Metadata():
            return _of(info.type)
        case inspect.StructType():
            return _struct(info)
        case inspect.UnionType():
            return [each for option in info.types for each in _of(option)]
        case inspect.LiteralType():
            return list(info.values)
        case inspect.ListType():
            return [[each] for each in _of(info.item_type)] + [_of(info.item_type)[: info.max_length]]
        case inspect.DictType():
            return [{"key": value, "other": value} for value in _of(info.value_type)]
        case inspect.StrType():
            return ["sample"]
        case inspect.BytesType():
            return [b"\x00\x01\xff"]
        case inspect.BoolType():
            return [True, False]
        case inspect.IntType():
            return [info.ge or 7]
        case inspect.FloatType():
            return [0.5]
        case inspect.NoneType():
            return [None]
        case inspect.AnyType():
            return [{"nested": [1, None, "two"]}]
    return []


def _struct(info: inspect.StructType) -> list[Any]:
    if info.cls in LEFT_OUT_KINDS:
        return []
    if info.cls in _GIVEN:
        return _GIVEN[info.cls]
    tag = {info.tag_field: info.tag} if info.tag_field is not None else {}
    left_out = {field.name for field in info.fields if (info.cls, field.name) in LEFT_OUT or field.name == _CONSTANT}
    fields = {field.name: [None] if field.name in left_out else _of(field.type) for field in info.fields if field.required}
    fields |= {field.name: _of(field.type) for field in info.fields if not field.required and field.name not in left_out}
    whole = [
        {**tag, **{name: values[min(turn, len(values) - 1)] for name, values in fields.items()}}
        for turn, _ in enumerate(zip_longest(*fields.values()))
    ]
    required = {field.name for field in info.fields if field.required}
    bare = {**tag, **{name: values[0] for name, values in fields.items() if name in required}}
    return [*whole, bare]


def struct_fields(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}
