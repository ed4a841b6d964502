"""``calculate_output`` of a multi grader: arithmetic over other graders' scores.

    formula  = sum
    sum      = product (("+" | "-") product)*
    product  = unary (("*" | "/") unary)*
    unary    = ("+" | "-") unary | power
    power    = atom (("^" | "**") unary)?            right-associative, binds tighter than a sign on its left
    atom     = number | name | function "(" sum ("," sum)* ")" | "(" sum ")"

There is nothing else: no comparison, no attribute, no text. Everything is a double; an outcome that is not finite is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 4096
MAX_DEPTH: Final = 50
"""Nested parentheses, calls, signs and powers. Far below Python's own recursion limit: one level takes five frames."""


class FormulaError(Exception):
    """The formula can't be read, or can't be computed with these values."""


@dataclass(frozen=True, slots=True)
class Function:
    """``variadic``: it takes a list of values, at least one; else exactly one value."""

    compute: Callable[..., float]
    variadic: bool = False


FUNCTIONS: Final[Mapping[str, Function]] = {
    "min": Function(min, variadic=True),
    "max": Function(max, variadic=True),
    "abs": Function(abs),
    "floor": Function(math.floor),
    "ceil": Function(math.ceil),
    "exp": Function(math.exp),
    "sqrt": Function(math.sqrt),
    "log": Function(math.log),
}
"""``log`` is the natural logarithm. ``min`` and ``max`` take any number of values."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/^(),]))", re.ASCII)

Values = Mapping[str, float]
Node = Callable[[Values], float]


@dataclass(frozen=True, slots=True)
class Formula:
    """``names``: the scores that it needs."""

    text: str
    names: frozenset[str]
    _root: Node

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Raises :class:`FormulaError`, which says what stands where it should not."""
        if len(text) > MAX_CHARS:
            raise FormulaError(f"the formula is longer than {MAX_CHARS} characters")
        parser = _Parser(_tokens(text))
        root = parser.sum()
        parser.expect("")
        return cls(text, frozenset(parser.names), root)

    def evaluate(self, values: Values) -> float:
        """Compute it.

        Raises:
            FormulaError: a name has no value; a division by zero, a root or logarithm of what has none, or an overflow.
        """
        if missing := sorted(self.names - values.keys()):
            raise FormulaError(f"'{missing[0]}' has no value")
        try:
            outcome = float(self._root(values))
        except ZeroDivisionError:
            raise FormulaError("division by zero") from None
        except OverflowError:
            raise FormulaError("the outcome is too large") from None
        except ValueError:
            raise FormulaError("a function has no value for its argument") from None
        if not math.isfinite(outcome):
            raise FormulaError("the outcome is not a finite number")
        return outcome


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(f"unexpected '{text[position:].lstrip()[0]}' at character {position}")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: each rule of the grammar is a method that returns a closure."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self.names: set[str] = set()

    @property
    def _next(self) -> str:
        """The next token; the empty string at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next
        self._position += 1
        return token

    def expect(self, token: str) -> None:
        if self._take() != token:
            self._position -= 1
            raise FormulaError(f"{_named(token)} expected, but found {_named(self._next)}")

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FormulaError(f"the formula is nested deeper than {MAX_DEPTH} levels")
        node = rule()
        self._depth -= 1
        return node

    def sum(self) -> Node:
        terms: list[tuple[str, Node]] = [("+", self._product())]
        while self._next in ("+", "-"):
            terms.append((self._take(), self._product()))
        return terms[0][1] if len(terms) == 1 else lambda values: _summed(terms, values)

    def _product(self) -> Node:
        factors: list[tuple[str, Node]] = [("*", self._unary())]
        while self._next in ("*", "/"):
            factors.append((self._take(), self._unary()))
        return factors[0][1] if len(factors) == 1 else lambda values: _multiplied(factors, values)

    def _unary(self) -> Node:
        if self._next not in ("+", "-"):
            return self._power()
        sign = self._take()
        operand = self._deeper(self._unary)
        return operand if sign == "+" else lambda values: -operand(values)

    def _power(self) -> Node:
        base = self._atom()
        if self._next not in ("^", "**"):
            return base
        self._take()
        exponent = self._deeper(self._unary)
        return lambda values: math.pow(base(values), exponent(values))

    def _atom(self) -> Node:
        token = self._take()
        if token == "(":  # noqa: S105 - a parenthesis
            inner = self._deeper(self.sum)
            self.expect(")")
            return inner
        if token[:1].isdigit() or token[:1] == ".":
            return _constant(token)
        if token[:1].isalpha() or token[:1] == "_":
            return self._call(token) if self._next == "(" else self._name(token)
        raise FormulaError(f"a number, a name or a parenthesis expected, but found {_named(token)}")

    def _name(self, name: str) -> Node:
        if name in FUNCTIONS:
            raise FormulaError(f"'{name}' is a function: '{name}(' expected")
        self.names.add(name)
        return lambda values: float(values[name])

    def _call(self, name: str) -> Node:
        function = FUNCTIONS.get(name)
        if function is None:
            raise FormulaError(f"'{name}' is not a function; there are {', '.join(FUNCTIONS)}")
        self.expect("(")
        arguments = [self._deeper(self.sum)]
        while self._next == ",":
            self._take()
            arguments.append(self._deeper(self.sum))
        self.expect(")")
        compute = function.compute
        if function.variadic:
            return lambda values: float(compute([argument(values) for argument in arguments]))
        if len(arguments) > 1:
            raise FormulaError(f"'{name}' takes one argument, but has {len(arguments)}")
        return lambda values: float(compute(arguments[0](values)))


def _constant(token: str) -> Node:
    number = float(token)
    if not math.isfinite(number):
        raise FormulaError(f"{token} is too large")
    return lambda values: number


def _summed(terms: Sequence[tuple[str, Node]], values: Values) -> float:
    total = 0.0
    for sign, term in terms:
        total = total + term(values) if sign == "+" else total - term(values)
    return total


def _multiplied(factors: Sequence[tuple[str, Node]], values: Values) -> float:
    total = 1.0
    for sign, factor in factors:
        total = total * factor(values) if sign == "*" else total / factor(values)
    return total


def _named(token: str) -> str:
    return f"'{token}'" if token else "the end"
