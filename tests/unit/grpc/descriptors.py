"""Walks message types by their descriptors, so that tests cover fields that are added later without being told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

Path = tuple[FieldDescriptor, ...]
JSON_TEXTS = frozenset({"ossature.v1.FunctionDefinition.parameters", "ossature.v1.JsonSchemaFormat.schema"})

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
}


def leaves(descriptor: Descriptor, prefix: Path = ()) -> Iterator[Path]:
    """The way to every field that holds a value, or a message without fields."""
    for field in descriptor.fields:
        path = (*prefix, field)
        if field.message_type is None or is_map(field) or not field.message_type.fields:
            yield path
        else:
            yield from leaves(field.message_type, path)


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def set_leaf(message: Message, path: Path) -> object:
    """Set the field at the end of ``path`` and nothing else; returns the value that must come out at the other side."""
    field, rest = path[0], path[1:]
    held: Any = getattr(message, field.name)
    if is_map(field):
        key = 77 if field.message_type.fields_by_name["key"].type == FieldDescriptor.TYPE_INT32 else "77"
        value, expected = sample(field.message_type.fields_by_name["value"])
        held[key] = value
        return {"77": expected}
    if field.message_type is not None:
        inner = held.add() if field.is_repeated else held
        inner.SetInParent()
        return set_leaf(inner, rest) if rest else field.name
    value, expected = sample(field)
    if field.is_repeated:
        held.append(value)
        return [expected]
    setattr(message, field.name, value)
    return expected


def sample(field: FieldDescriptor) -> tuple[Any, object]:
    """A value that no other field has by default, and what JSON says for it."""
    match field.type:
        case FieldDescriptor.TYPE_STRING if field.full_name in JSON_TEXTS:
            return '{"title": "sample"}', {"title": "sample"}
        case FieldDescriptor.TYPE_STRING:
            return "sample", "sample"
        case FieldDescriptor.TYPE_BYTES:
            return b"sample", "c2FtcGxl"
        case FieldDescriptor.TYPE_BOOL:
            return True, True
        case FieldDescriptor.TYPE_DOUBLE:
            return 0.125, 0.125
        case FieldDescriptor.TYPE_ENUM:
            value, zero = field.enum_type.values[-1], field.enum_type.values_by_number[0]
            return value.number, value.name.removeprefix(zero.name.removesuffix("UNSPECIFIED")).lower()
    return 7, 7


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Any messages of a type, extreme and non-finite numbers and unknown enum values included."""
    return _fields(kind.DESCRIPTOR).map(lambda fields: kind(**fields))


def _fields(descriptor: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={field.name: _value(field) for field in descriptor.fields})


def _value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if is_map(field):
        entry = field.message_type.fields_by_name
        return st.dictionaries(_single(entry["key"]), _single(entry["value"]), max_size=3)
    single = _single(field)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _single(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _fields(field.message_type)
    match field.type:
        case FieldDescriptor.TYPE_STRING if field.full_name in JSON_TEXTS:
            return st.sampled_from(['{"type": "object"}', "{}", "[", "null", ""])
        case FieldDescriptor.TYPE_STRING:
            return st.text(st.characters(codec="utf-8"), max_size=8) | st.just("demo")
        case FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=8)
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_DOUBLE:
            return st.floats() | st.sampled_from([0.0, 0.5, 1.0])
        case FieldDescriptor.TYPE_ENUM:
            return st.sampled_from([value.number for value in field.enum_type.values]) | st.integers(-3, 99)
    return _INTEGERS[field.type] | st.integers(0, 3)
