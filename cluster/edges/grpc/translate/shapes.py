"""Between messages and the JSON that the same thing is over HTTP or a WebSocket, by rule instead of by hand.

| In the protos                                       | In JSON                                         |
|-----------------------------------------------------|-------------------------------------------------|
| a field                                             | a member of the same name                       |
| a message of one oneof: ``TurnDetection``           | the arm's value; of a message, with ``type``    |
| ``…List`` with ``repeated … items``                 | an array that may be empty; filled from one     |
|                                                     | object, if the oneof has no arm of its type     |
| ``no_…`` of type ``google.protobuf.NullValue``      | ``null``                                        |
| an enum value: ``EAGERNESS_LOW``                    | ``"low"``                                       |
| an enum of ``TYPED``: ``AUDIO_FORMAT_PCM``          | ``{"type": "audio/pcm"}``                       |
| a string of ``JSON_TEXTS``                          | the object that its text is                     |
| ``repeated string`` of ``JSON_TEXTS``               | an array; only filled                           |
| ``bytes``                                           | ``bytes``: this JSON is never written as text   |

Absent fields are absent members, and so are empty lists without a wrapper. Ranges and rules are left to the validators that JSON
passes as well. Tests hold every field against this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cluster.edges.grpc.generated.ossature.realtime.v1 import session_pb2
from cluster.edges.grpc.translate.enums import EnumNames
from cluster.errors import InvalidRequest
from cluster.inference.requests import problems
from cluster.inference.requests.json_body import decode_object
from cluster.inference.requests.limits import DEFAULT_LIMITS

#: Enums that are objects in JSON, by what stands before their values there.
TYPED: Final = {
    session_pb2.AudioFormat.DESCRIPTOR.full_name: "audio/",
    session_pb2.NoiseReduction.DESCRIPTOR.full_name: "",
}
#: Schemas keep the order of their properties, which a ``google.protobuf.Struct`` would lose.
JSON_TEXTS: Final = frozenset(
    {
        "ossature.realtime.v1.FunctionTool.parameters",
        "ossature.v1.EvalCustomConfig.item_schema",
        "ossature.v1.EvalCustomConfig.schema",
        "ossature.v1.EvalInlineItem.item",
        "ossature.v1.EvalInlineItem.sample",
        "ossature.v1.EvalLogsConfig.schema",
        "ossature.v1.EvalRunOutputItem.datasource_item",
        "ossature.v1.EvalSampleMessage.tool_calls",
        "ossature.v1.FunctionDefinition.parameters",
        "ossature.v1.JobEvent.data",
        "ossature.v1.JsonSchemaFormat.schema",
    }
)
_NULL: Final = "google.protobuf.NullValue"
_NO_LIMIT: Final = "inf"

_M = TypeVar("_M", bound=Message)

ToJson = Callable[[Any, str], object]
"""A field's value, and its place in dotted form, to JSON. Raises :class:`InvalidRequest`, naming the place."""
FromJson = Callable[[Any], Any]


class Shape:
    """One type of message. Use :func:`shape_of`."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._fields = {field.name: _Field(field) for field in descriptor.fields}
        oneofs = {field.containing_oneof for field in descriptor.fields}
        oneof = next(iter(oneofs)) if len(oneofs) == 1 else None
        self._union = oneof.name if oneof is not None and len(oneof.fields) > 0 and not _is_synthetic(oneof) else None
        self.is_list = descriptor.name.endswith("List") and list(self._fields) == ["items"]

    def to_json(self, message: Message, place: str) -> object:
        """Raises :class:`InvalidRequest` for what JSON could not say."""
        if self.is_list:
            return self._fields["items"].to_json(message, place) or []
        if self._union is not None:
            return self._arm_to_json(message, self._union, place)
        found: dict[str, object] = {}
        for name, field in self._fields.items():
            if field.is_set(message):
                found[field.json_name] = field.to_json(message, f"{place}.{name}" if place else name)
        return found

    def fill(self, message: Message, value: Any) -> None:
        """Set the message to what JSON says. Members that it has no field for are left out."""
        message.SetInParent()
        if self.is_list:
            self._fields["items"].fill(message, value)
        elif self._union is not None:
            self._fill_arm(message, value)
        else:
            for name, member in value.items():
                self._fill_member(message, name, member)

    def _arm_to_json(self, message: Message, union: str, place: str) -> object:
        arm = message.WhichOneof(union)
        if arm is None:
            raise problems.missing(place)
        value = self._fields[arm].to_json(message, place)
        return {"type": arm, **value} if isinstance(value, dict) else value

    def _fill_arm(self, message: Message, value: Any) -> None:
        if isinstance(value, Mapping) and (arm := self._fields.get(str(value["type"]))) is not None:
            arm.fill(message, {name: member for name, member in value.items() if name != "type"})
            return
        plain = [value] if isinstance(value, Mapping) else value
        for arm in self._fields.values():
            if arm.takes(plain):
                arm.fill(message, plain)

    def _fill_member(self, message: Message, name: str, member: Any) -> None:
        nothing = self._fields.get(f"no_{name}")
        if member is None or (member == _NO_LIMIT and nothing is not None):
            if nothing is not None:
                nothing.fill(message, 0)
        elif (field := self._fields.get(name)) is not None:
            field.fill(message, member)


class _Field:
    """One field. ``json_name``: of its member."""

    def __init__(self, descriptor: FieldDescriptor) -> None:
        message, enum = descriptor.message_type, descriptor.enum_type
        self._name = descriptor.name
        self._is_map = message is not None and message.GetOptions().map_entry
        self._repeated = descriptor.is_repeated
        self._presence = descriptor.has_presence
        self._kind = None if self._is_map else message
        self._is_null = enum is not None and enum.full_name == _NULL
        self._names = EnumNames(enum) if enum is not None and not self._is_null else None
        self._is_text = descriptor.type == FieldDescriptor.TYPE_STRING
        self._typed = TYPED.get(enum.full_name) if enum is not None else None
        self.json_name = descriptor.name.removeprefix("no_") if self._is_null else descriptor.name
        self._to_json, self._from_json = self._converters(descriptor)

    def is_set(self, message: Message) -> bool:
        if self._repeated:
            return bool(getattr(message, self._name))
        if self._presence and not message.HasField(self._name):
            return False
        return self._names is None or getattr(message, self._name) != 0

    def takes(self, value: object) -> bool:
        """Whether this is the arm for a value without a type."""
        if isinstance(value, list):
            return self._kind is not None and shape_of(self._kind).is_list
        if self._names is not None:
            return value in self._names.by_name
        return self._is_text and isinstance(value, str)

    def to_json(self, message: Message, place: str) -> object:
        value = getattr(message, self._name)
        if self._is_map:
            return {_text(key, place): self._to_json(each, f"{place}.{key}") for key, each in value.items()}
        if self._repeated:
            return [self._to_json(each, f"{place}.{index}") for index, each in enumerate(value)]
        return self._to_json(value, place)

    def fill(self, message: Message, value: Any) -> None:
        if self._kind is not None:
            shape, held = shape_of(self._kind), getattr(message, self._name)
            if not self._repeated:
                shape.fill(held, value)
                return
            for each in value:
                shape.fill(held.add(), each)
        elif self._is_map:
            getattr(message, self._name).update(value)
        elif self._repeated:
            getattr(message, self._name).extend(self._from_json(each) for each in value)
        else:
            setattr(message, self._name, self._from_json(value))

    def _converters(self, descriptor: FieldDescriptor) -> tuple[ToJson, FromJson]:
        if self._is_null:
            return (lambda value, place: None), _same
        if self._names is not None:
            return _enum(self._names, self._typed)
        if self._kind is not None:
            kind = self._kind
            return (lambda value, place: shape_of(kind).to_json(value, place)), _same
        if self._is_map or descriptor.type == FieldDescriptor.TYPE_STRING:
            return (_parsed, _json_text) if descriptor.full_name in JSON_TEXTS else (_text, _same)
        if descriptor.type == FieldDescriptor.TYPE_DOUBLE:
            return _finite, _same
        return (lambda value, place: value), _same


def filled(message: _M, value: Any) -> _M:
    """The message, set to what JSON says."""
    shape_of(message.DESCRIPTOR).fill(message, value)
    return message


@cache
def shape_of(descriptor: Descriptor) -> Shape:
    return Shape(descriptor)


def _is_synthetic(oneof: Any) -> bool:
    """Of a single ``optional`` field, as protoc makes them."""
    return len(oneof.fields) == 1 and bool(oneof.name == f"_{oneof.fields[0].name}")


def _enum(names: EnumNames, typed: str | None) -> tuple[ToJson, FromJson]:
    def to_json(number: int, place: str) -> object:
        name = names.by_number.get(number)
        if name is None:
            raise problems.invalid(place, f"the enum has no value {number}.")
        return name if typed is None else {"type": typed + name}

    def from_json(value: Any) -> int:
        return names.by_name.get(value if typed is None else value["type"].removeprefix(typed), 0)

    return to_json, from_json


def _text(value: str, place: str) -> str:
    if "\0" in value:
        raise problems.invalid(place, "it holds a NUL character, which is not allowed.")
    return value


def _finite(value: float, place: str) -> float:
    if not math.isfinite(value):
        raise problems.invalid(place, "it must be a finite number.")
    return value


def _parsed(value: str, place: str) -> object:
    try:
        return decode_object(value.encode(), DEFAULT_LIMITS)
    except InvalidRequest as error:
        raise InvalidRequest(f"Invalid '{place}': {error.message}", param=place, code=error.code) from None


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _same(value: Any) -> Any:
    return value
