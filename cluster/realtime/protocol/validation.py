"""From msgspec's errors to OpenAI's: which field, what was expected. Only the first problem of an event is reported."""

from __future__ import annotations

import re

import msgspec

from cluster.realtime.protocol import errors
from cluster.realtime.protocol.errors import EventRefused

_SHOWN_CHARS = 100

_PLACE = re.compile(r" - at `(?:key in )?(\$.*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_FIELD = re.compile(r"`([^`]*)`")
_KINDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
    "bytes": "a base64 string",
}
_LENGTH = re.compile(r"^Expected `(\w+)` of length (<=|>=|==) (\d+)")
_BOUND = re.compile(r"^Expected `(int|float)` (<=|>=|<|>) (\S+)")


def refusal(error: msgspec.ValidationError, document: object) -> EventRefused:
    """What to tell the sender. ``document``: the event as plain values, to show what stands in the place of the problem."""
    text = str(error)
    place = _PLACE.search(text)
    path = place[1] if place else "$"
    message = text[: place.start()] if place else text
    param = _param(path)
    if message.startswith("Object missing required field"):
        return errors.missing(_join(param, _quoted(message)))
    if message.startswith("Object contains unknown field"):
        return errors.unknown(_join(param, _quoted(message)[:_SHOWN_CHARS]))
    if message.startswith(("Invalid enum value", "Invalid value")):
        return EventRefused("invalid_value", f"Invalid value for '{param}': {_shown(document, param)}.", param=param)
    if found := _LENGTH.match(message):
        what, bound = ("shorter", "least") if found[2] == ">=" else ("longer", "most")
        return errors.invalid(param, f"it is {what} than allowed: at {bound} {found[3]}.")
    if found := _BOUND.match(message):
        return errors.invalid(param, f"it must be {found[2]} {found[3]}.", f"{_number(found[1])}_{_side(found[2])}_value")
    if message.startswith("Expected `str` matching regex"):
        return errors.invalid(param, "it does not match the pattern that is allowed.")
    if message.startswith("Expected "):
        expected = _expected(message)
        return EventRefused("invalid_type", f"Invalid type for '{param}': expected {expected}.", param=param)
    return errors.invalid(param, f"{message[:200]}.")


def _at(document: object, place: str) -> object:
    value = document
    for name in place.split(".") if place else []:
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def _param(path: str) -> str:
    """``$.session.tools[1].name`` in dotted form; a key of an object with free keys is not told."""
    return _INDEX.sub(r".\1", path.replace("[...]", "")).removeprefix("$").removeprefix(".")


def _join(param: str, name: str) -> str:
    return f"{param}.{name}" if param else name


def _quoted(message: str) -> str:
    found = _FIELD.search(message)
    return found[1] if found else ""


def _expected(message: str) -> str:
    """``Expected `int | null`, got `str``` in words."""
    names = _quoted(message).split(" | ")
    words = " or ".join(_KINDS.get(name, name) for name in names)
    got = _FIELD.findall(message)
    return f"{words}, but got {_KINDS.get(got[1], got[1])} instead" if len(got) > 1 else words


def _shown(document: object, param: str) -> str:
    value = _at(document, param)
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _number(kind: str) -> str:
    return "integer" if kind == "int" else "decimal"


def _side(comparison: str) -> str:
    return "below_min" if comparison.startswith(">") else "above_max"
