"""Strict JSON: what :mod:`json` accepts by default and an API must not.

Refused with 400 besides plain syntax errors: any encoding but UTF-8, duplicate keys, NaN and Infinity (also by overflow), NUL
characters, lone surrogates, and documents too deep or of too many values. The last two are found before parsing, on the raw
bytes, so that a hostile body costs neither recursion nor memory.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import NoReturn

from cluster.errors import InvalidRequest
from cluster.inference.requests.limits import RequestLimits

MAX_OBJECT_KEYS = 10_000
"""Keys of one object. Every unknown one is an error to collect, which would make a hostile object expensive to refuse."""

_STRUCTURE = b'[]{}",'
_NOT_STRUCTURE = bytes(sorted(set(range(256)) - set(_STRUCTURE)))
_STRING = re.compile(rb'"[^"]*"')
_STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
_SCAN_CHUNK = 1 << 16

_SURROGATE_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_object(data: bytes, limits: RequestLimits) -> dict[str, object]:
    """Parse a request body that must be one JSON object. Raises :class:`InvalidRequest`."""
    if not data.strip():
        raise InvalidRequest("The request body is empty. Send a JSON object.", code="invalid_json")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid UTF-8: byte {error.start} cannot be decoded.", code="invalid_json"
        ) from None
    check_bytes(data, limits)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The request body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}).", code="invalid_json"
        ) from None
    except ValueError:
        # int() refuses literals of more digits than sys.int_info.default_max_str_digits.
        raise InvalidRequest("The request body holds an integer with too many digits.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_type")
    return value


def check_object(value: Mapping[str, object], limits: RequestLimits) -> dict[str, object]:
    """The same rules for an object that was not made from JSON text (gRPC). Raises :class:`InvalidRequest`."""
    pending: list[tuple[object, int]] = [(value, 1)]
    count = 0
    while pending:
        node, depth = pending.pop()
        count += 1
        if count > limits.max_json_values:
            raise _too_many(limits)
        if isinstance(node, str):
            _check_text(node)
        elif isinstance(node, float):
            if not math.isfinite(node):
                raise InvalidRequest("The request holds a number that is not finite.", code="invalid_value")
        elif isinstance(node, Mapping | list | tuple):
            if depth > limits.max_json_depth:
                raise _too_deep(limits)
            children = node
            if isinstance(node, Mapping):
                if len(node) > MAX_OBJECT_KEYS:
                    raise InvalidRequest(
                        f"The request has an object with more than {MAX_OBJECT_KEYS} keys.", code="json_too_many_values"
                    )
                for key in node:
                    if not isinstance(key, str):
                        raise InvalidRequest("The request holds an object with a key that is not a string.", code="invalid_type")
                    _check_text(key)
                children = list(node.values())
            pending.extend((child, depth + 1) for child in children)
    return dict(value)


def check_bytes(data: bytes, limits: RequestLimits) -> None:
    """Bound depth and number of values, find bad characters. Exact for valid JSON; of invalid JSON it never misses what a
    parser would reach before its first error. Raises :class:`InvalidRequest`."""
    if b"\\" in data:
        # Escaped backslashes go first: the quote after an even run of them ends its string, and "\\\\u0000" is plain text.
        data = data.replace(b"\\\\", b"")
        if b"\\u" in data:
            _check_escapes(data)
        data = data.replace(b'\\"', b"")
    # Small bodies are mostly within both limits even if all of it were structure. (Counting a byte is slow where there are many.)
    if len(data) <= min(_SCAN_CHUNK, limits.max_json_values) and data.count(b"[") + data.count(b"{") <= limits.max_json_depth:
        return
    bare = _STRING.sub(b"", data.translate(None, _NOT_STRUCTURE))
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > limits.max_json_values:
        raise _too_many(limits)
    brackets = bare.translate(_STEPS, b'",')
    depth = 0
    for start in range(0, len(brackets), _SCAN_CHUNK):
        # Bytes have no negative numbers: an opening bracket counts 2, a closing one 0, and every position takes 1 off again.
        chunk = brackets[start : start + _SCAN_CHUNK]
        levels = [total - index for index, total in enumerate(accumulate(chunk, initial=depth))]
        depth = levels[-1]
        if max(levels) > limits.max_json_depth:
            raise _too_deep(limits)


def _check_escapes(data: bytes) -> None:
    if b"\\u0000" in data:
        raise _nul()
    if _SURROGATE.search(data) and _SURROGATE.search(_SURROGATE_PAIR.sub(b" ", data)):
        raise _surrogate()


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _nul()
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _surrogate() from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) > MAX_OBJECT_KEYS:
        raise InvalidRequest(f"The request body has an object with more than {MAX_OBJECT_KEYS} keys.", code="json_too_many_values")
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidRequest(f"The request body has the key '{twice[:100]}' twice in one object.", code="duplicate_key")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request body is not valid JSON: {name} is not a JSON number.", code="invalid_json")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise InvalidRequest(f"The request body holds a number out of range: {literal[:40]}.", code="invalid_json")
    return value


def _too_deep(limits: RequestLimits) -> InvalidRequest:
    return InvalidRequest(f"The request is nested deeper than {limits.max_json_depth} levels.", code="json_too_deep")


def _too_many(limits: RequestLimits) -> InvalidRequest:
    return InvalidRequest(f"The request holds more than {limits.max_json_values} values.", code="json_too_many_values")


def _nul() -> InvalidRequest:
    return InvalidRequest("The request holds a NUL character (\\u0000), which is not allowed.", code="invalid_value")


def _surrogate() -> InvalidRequest:
    return InvalidRequest("The request holds a lone UTF-16 surrogate, which is not a character.", code="invalid_value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
