"""Writes small ONNX files: the few messages of its protobuf (onnx.proto3) that a network of operators and tables needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: TensorProto.DataType
FLOAT: Final = 1
INT64: Final = 7
_IR_VERSION: Final = 8
_OPSET: Final = 17
_ATTRIBUTE_INT: Final = 2
_ATTRIBUTE_INTS: Final = 7
_TYPES: Final[Mapping[str, int]] = {"float32": FLOAT, "int64": INT64}


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output. ``shape``: numbers, or names where they vary."""

    name: str
    type: int
    shape: Sequence[int | str]


@dataclass(slots=True)
class Graph:
    """Operators in the order they run, and the tables they read."""

    nodes: list[bytes] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> str:
        """Add an operator with one output; returns its name."""
        parts = [_text(1, name) for name in inputs] + [_text(2, output), _text(3, output), _text(4, operator)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self.nodes.append(b"".join(parts))
        return output

    def table(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant (float32 or int64); returns its name."""
        parts = [_number(1, size) for size in values.shape]
        parts += [_number(2, _TYPES[values.dtype.name]), _text(8, name), _bytes(9, np.ascontiguousarray(values).tobytes())]
        self.tables.append(b"".join(parts))
        return name


def model(graph: Graph, inputs: Iterable[Value], outputs: Iterable[Value], metadata: Mapping[str, str] | None = None) -> bytes:
    """The whole file."""
    body = [_bytes(1, node) for node in graph.nodes] + [_text(2, "graph")] + [_bytes(5, table) for table in graph.tables]
    body += [_bytes(11, _value(each)) for each in inputs] + [_bytes(12, _value(each)) for each in outputs]
    parts = [_number(1, _IR_VERSION), _bytes(7, b"".join(body)), _bytes(8, _number(2, _OPSET))]
    parts += [_bytes(14, _text(1, name) + _text(2, value)) for name, value in (metadata or {}).items()]
    return b"".join(parts)


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    return _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, _ATTRIBUTE_INTS)


def _value(value: Value) -> bytes:
    sizes = [_number(1, size) if isinstance(size, int) else _text(2, size) for size in value.shape]
    shape = b"".join(_bytes(1, size) for size in sizes)
    return _text(1, value.name) + _bytes(2, _bytes(1, _number(1, value.type) + _bytes(2, shape)))


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value & (1 << 64) - 1)


def _text(place: int, value: str) -> bytes:
    return _bytes(place, value.encode())


def _bytes(place: int, value: bytes) -> bytes:
    return _varint(place << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
