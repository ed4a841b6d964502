"""The query of a URL, as strict as bodies are: unknown names, repetitions and values of the wrong kind are refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from cluster.edges.http.exchange import Exchange
from cluster.errors import InvalidRequest
from cluster.inference.requests import problems

MAX_PARAMETERS = 64
_PAIR = re.compile(r"(\w+)\[(.*)\]", re.DOTALL)


class Query:
    """Take what the endpoint knows, then :meth:`end`, which refuses the rest. All methods raise :class:`InvalidRequest`."""

    def __init__(self, exchange: Exchange) -> None:
        try:
            pairs = parse_qsl(
                exchange.query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
            )
        except ValueError:
            raise InvalidRequest(
                f"The URL's query is not valid: it must be UTF-8, percent-encoded, of at most {MAX_PARAMETERS} parameters.",
                code="invalid_value",
            ) from None
        self._given: dict[str, str] = {}
        for name, value in pairs:
            if name in self._given:
                raise problems.invalid(name, "it was given more than once.")
            if "\0" in name + value:
                raise problems.invalid(name.replace("\0", ""), "it holds a NUL character, which is not allowed.")
            self._given[name] = value

    def text(self, name: str, max_length: int = 256) -> str | None:
        """``None`` if it is absent."""
        value = self._given.pop(name, None)
        if value is not None and len(value) > max_length:
            raise problems.invalid(name, f"string too long. Expected a string with maximum length {max_length}.")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        value = self._given.pop(name, None)
        if value is not None and value not in choices:
            raise problems.wrong_value(name, value, choices)
        return value

    def number(self, name: str, low: int, high: int) -> int | None:
        value = self._given.pop(name, None)
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise problems.wrong_type(name, "an integer", value)
        number = int(value)
        if number > high:
            raise problems.too_high(name, "integer", high, number)
        if number < low:
            raise InvalidRequest(
                f"Invalid '{name}': integer below minimum value. Expected a value >= {low}, but got {number} instead.",
                param=name,
                code="integer_below_min_value",
            )
        return number

    def switch(self, name: str) -> bool:
        """``true`` or ``false``; absent is ``false``."""
        return self.choice(name, ("true", "false")) == "true"

    def pairs(self, name: str, max_pairs: int, max_key: int, max_value: int) -> dict[str, str]:
        """``name[key]=value``, as OpenAI's clients write an object."""
        found: dict[str, str] = {}
        for given in list(self._given):
            match = _PAIR.fullmatch(given)
            if match is None or match[1] != name:
                continue
            value = self._given.pop(given)
            if len(match[2]) > max_key or len(value) > max_value:
                raise problems.invalid(given[:100], f"at most {max_key} characters of key and {max_value} of value are allowed.")
            found[match[2]] = value
        if len(found) > max_pairs:
            raise problems.array_too_long(name, max_pairs, len(found), "object")
        return found

    def end(self) -> None:
        if self._given:
            raise problems.unrecognized(_sorted(self._given))


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)
