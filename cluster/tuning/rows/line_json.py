"""One line as a JSON object, as strictly as requests are read: what a lenient parser repairs is a mistake in a training file."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from cluster.errors import InvalidRequest
from cluster.inference.requests import json_body, problems
from cluster.inference.requests.limits import RequestLimits

_BOM: Final = b"\xef\xbb\xbf"
MAX_DEPTH: Final = 64
_LIMITS: Final = RequestLimits(max_json_depth=MAX_DEPTH)
_HARMLESS_BYTES: Final = 64 << 10
"""However deep or full of values a shorter line is, it costs little to parse."""


def decode_line(data: bytes) -> dict[str, Any]:
    """Raises :class:`InvalidRequest` with code ``invalid_json``, ``duplicate_key`` or ``invalid_type``."""
    if data.startswith(_BOM):
        raise _bad("The line begins with a byte order mark. Save the file as UTF-8 without one.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(f"The line is not valid UTF-8: byte {error.start} cannot be decoded.") from None
    if not text.strip():
        raise _bad("The line is empty.")
    if len(data) > _HARMLESS_BYTES:
        try:
            json_body.check_bytes(data, _LIMITS)
        except InvalidRequest as error:
            raise InvalidRequest(error.message.replace("The request", "The line", 1), code=error.code) from None
    return decode_text(text, "The line")


def decode_text(text: str, what: str) -> dict[str, Any]:
    """One JSON object. ``what``: how messages call it. Raises as :func:`decode_line` does."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _bad(f"{what} is not valid JSON: {error.msg} (column {error.colno}).") from None
    except RecursionError:
        raise _too_deep(what) from None
    except _NotJson as error:
        raise InvalidRequest(f"{what} {error}", code=error.code) from None
    except ValueError:
        # int() refuses literals of more digits than sys.int_info.default_max_str_digits.
        raise _bad(f"{what} holds an integer with too many digits.") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} is not a JSON object but {problems.kind_of(value)}.", code="invalid_type")
    _check_depth(value, what)
    if "\\u" in text:
        _check_escapes(value, what)
    return value


class _NotJson(ValueError):
    def __init__(self, reason: str, code: str = "invalid_json") -> None:
        super().__init__(reason)
        self.code = code


def _check_depth(value: object, what: str) -> None:
    level, depth = [value], 1
    while level := [child for node in level for child in _children(node)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(what)


def _children(node: object) -> list[Any]:
    """Only those that may have children themselves."""
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [value for value in values if isinstance(value, dict | list)]


def _check_escapes(value: object, what: str) -> None:
    try:
        # As it will be written again. Lone surrogates have no UTF-8.
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        raise _bad(f"{what} holds a lone UTF-16 surrogate, which is not a character.") from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise _bad(f"{what} holds a NUL character (\\u0000), which is not allowed.")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _NotJson(f"has the key '{twice[:100]}' twice in one object.", "duplicate_key")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJson(f"is not valid JSON: {name} is not a JSON number.")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise _NotJson(f"holds a number out of range: {literal[:40]}.")
    return value


def _too_deep(what: str) -> InvalidRequest:
    return InvalidRequest(f"{what} is nested deeper than {MAX_DEPTH} levels.", code="json_too_deep")


def _bad(reason: str) -> InvalidRequest:
    return InvalidRequest(reason, code="invalid_json")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
