"""Reads what our checks and rewrites need of a PromQL expression: its selectors, and what it groups by.

It is no parser of the language: whether an expression is valid is for promtool to say. Expressions here keep to one form of
aggregation, ``sum by (label) (…)``, and write every metric by its name, never as ``{__name__=…}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[^\]]*\])
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+|ms|[smhdwy])?)
    | (?P<variable>\$\w+)
    | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>={}(),@])""",
    re.VERBOSE | re.IGNORECASE,
)
_MATCHER = re.compile(r'\s*(?P<label>[a-zA-Z_]\w*)\s*(?P<sign>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*(?:,|$)')
# Words that stand where a metric could.
_WORDS = frozenset(
    {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "offset", "bool", "inf", "nan"}
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})


class NotUnderstood(ValueError):
    """The text holds something that no expression of ours should."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Matcher:
    label: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """``metric{matchers}``; ``start`` and ``end`` are its place in the expression, ``range`` is ``[…]`` or empty."""

    metric: str
    matchers: tuple[Matcher, ...]
    start: int
    end: int
    range: str = ""


@dataclass(frozen=True, slots=True)
class Grouping:
    """``word (labels)``. Of ``by`` and ``without``, ``start`` and ``end`` are the place of the operand in parentheses."""

    word: str
    labels: tuple[str, ...]
    start: int
    end: int


def tokens(expression: str) -> list[Token]:
    """Without spaces. Raises :class:`NotUnderstood`."""
    found = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise NotUnderstood(f"{expression[position : position + 20]!r} in {expression!r}")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return found


def selectors(expression: str) -> list[Selector]:
    """Every use of a metric, in order."""
    return list(_read(expression)[0])


def groupings(expression: str) -> list[Grouping]:
    """Every list of labels that an aggregation or a join names."""
    return list(_read(expression)[1])


def _read(expression: str) -> tuple[list[Selector], list[Grouping]]:
    found = tokens(expression)
    used: list[Selector] = []
    grouped: list[Grouping] = []
    position = 0
    while position < len(found):
        token = found[position]
        following = found[position + 1].text if position + 1 < len(found) else ""
        word = token.text.lower()
        if token.kind == "sign" and token.text == "{":
            raise NotUnderstood(f"a selector without a metric's name in {expression!r}")
        if token.kind != "name":
            position += 1
        elif word in _GROUPING and following == "(":
            close = _closing(found, position + 1)
            labels = tuple(each.text for each in found[position + 2 : close] if each.kind == "name")
            start, end = _operand(found, close + 1, expression) if word in ("by", "without") else (0, len(expression))
            grouped.append(Grouping(word, labels, start, end))
            position = close + 1
        elif word in _WORDS or following == "(" or following.lower() in ("by", "without"):
            position += 1
        else:
            selector, position = _selector(found, position, expression)
            used.append(selector)
    return used, grouped


def _closing(found: list[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(found)):
        depth += {"(": 1, ")": -1}.get(found[position].text, 0)
        if depth == 0:
            return position
    raise NotUnderstood("a parenthesis is not closed")


def _operand(found: list[Token], opening: int, expression: str) -> tuple[int, int]:
    if opening >= len(found) or found[opening].text != "(":
        raise NotUnderstood(f"an aggregation that is not written `sum by (label) (…)`: {expression!r}")
    return found[opening].start, found[_closing(found, opening)].start


def _selector(found: list[Token], position: int, expression: str) -> tuple[Selector, int]:
    metric = found[position]
    end = metric.start + len(metric.text)
    matchers: tuple[Matcher, ...] = ()
    position += 1
    if position < len(found) and found[position].text == "{":
        opening = found[position].start
        while position < len(found) and found[position].text != "}":
            position += 1
        if position == len(found):
            raise NotUnderstood(f"a brace is not closed in {expression!r}")
        matchers = tuple(_matchers(expression[opening + 1 : found[position].start]))
        end = found[position].start + 1
        position += 1
    span = found[position].text if position < len(found) and found[position].kind == "range" else ""
    return Selector(metric.text, matchers, metric.start, end, span), position + bool(span)


def _matchers(inside: str) -> Iterator[Matcher]:
    position = 0
    while inside[position:].strip():
        match = _MATCHER.match(inside, position)
        if match is None:
            raise NotUnderstood(f"matchers {{{inside}}}")
        yield Matcher(match["label"], match["sign"], match["value"])
        position = match.end()


def narrowed(expression: str, matchers_for: Callable[[str], tuple[Matcher, ...]]) -> str:
    """The expression with further matchers on each of its selectors. A label that a selector matches already is left as it is."""
    written = expression
    for selector in reversed(selectors(expression)):
        present = {matcher.label for matcher in selector.matchers}
        added = tuple(matcher for matcher in matchers_for(selector.metric) if matcher.label not in present)
        if added:
            inside = ",".join(f'{each.label}{each.sign}"{each.value}"' for each in (*added, *selector.matchers))
            written = f"{written[: selector.start]}{selector.metric}{{{inside}}}{written[selector.end :]}"
    return written
