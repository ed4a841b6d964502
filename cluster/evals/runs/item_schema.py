"""Holding items against a schema that a client wrote: nothing is fetched, and nothing takes longer than it may.

Schemas can be made so that checking one small value takes for ever (references that double, patterns that backtrack), and so that
a validator fetches addresses. Here each keyword looks at the clock, patterns have a limit of their own, what compares everything
with everything is done otherwise, and references lead nowhere but into the schema itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

import msgspec
import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

ITEM_S: Final = 1.0
"""Longest check of one item, in seconds of this thread's processor time."""

_PATTERN_S: Final = 0.5
"""Longest search for one pattern, in seconds of a clock; other threads go on meanwhile."""

_PATTERN_CHARS: Final = 1000
_SHOWN_CHARS: Final = 200
_NOT_CHECKED: Final = ("unevaluatedItems", "unevaluatedProperties")
"""What they mean is found out by a search that no clock could end."""

_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
_deadline: ContextVar[float] = ContextVar("deadline")
_CANONICAL = msgspec.json.Encoder(order="deterministic")


class _Unusable(Exception):
    """The schema can't be applied; the text says why."""


class ItemSchema:
    """An eval's item schema, made ready once. ``budget_s``: processor time for all items that are held against it, in seconds."""

    def __init__(self, schema: Mapping[str, Any], budget_s: float = 60.0) -> None:
        self._validator = _Validator(schema, registry=Registry())
        self._left_s = budget_s

    def problem(self, item: object) -> tuple[str, str] | None:
        """The first thing that is wrong with an item: where in it (``.rows.0``, empty for all of it), and what."""
        began = time.thread_time()
        token = _deadline.set(began + min(ITEM_S, self._left_s))
        try:
            error = next(self._validator.iter_errors(item), None)
        except _Unusable as failure:
            return "", str(failure)
        except (RecursionError, Unresolvable, regex.error, LookupError, ValueError, TypeError) as failure:
            # What a schema refers to, and whether it can be read, shows only now.
            return "", f"the schema can't be applied to it: {shortened(str(failure))}"
        finally:
            _deadline.reset(token)
            self._left_s -= time.thread_time() - began
        return None if error is None else ("".join(f".{part}" for part in error.absolute_path), shortened(error.message))


def shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _timed(keyword: _Keyword) -> _Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if time.thread_time() > _deadline.get():
            raise _Unusable("checking it takes too long; the schema must be simpler")
        yield from keyword(validator, value, instance, schema) or ()

    return check


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, Mapping):
        for pattern, below in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, below, path=name, schema_path=pattern)


def _additional_properties(validator: Any, below: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, Mapping):
        return
    listed, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in listed or any(_matches(pattern, name) for pattern in patterns):
            continue
        if below is False:
            yield ValidationError(f"Additional properties are not allowed ({name!r} was unexpected)")
        else:
            yield from validator.descend(value, below, path=name)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_CANONICAL.encode(each) for each in instance}) < len(instance):
        yield ValidationError("it has non-unique elements")


def _refused(name: str) -> _Keyword:
    def refuse(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        raise _Unusable(f"'{name}' in schemas is not supported here")

    return refuse


def _matches(pattern: str, text: str) -> bool:
    if len(pattern) > _PATTERN_CHARS:
        raise _Unusable(f"a pattern of the schema is longer than {_PATTERN_CHARS} characters")
    if time.thread_time() > _deadline.get():
        raise _Unusable("checking it takes too long; the schema must be simpler")
    try:
        return regex.search(pattern, text, timeout=_PATTERN_S, concurrent=True) is not None
    except TimeoutError:
        raise _Unusable(f"the pattern {shortened(pattern)!r} takes too long") from None


_OWN: Final[Mapping[str, _Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    **{name: _refused(name) for name in _NOT_CHECKED},
}
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: _timed(keyword) for name, keyword in {**Draft202012Validator.VALIDATORS, **_OWN}.items()},
)
