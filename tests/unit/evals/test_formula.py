from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.evals.formula import MAX_CHARS, Formula, FormulaError

VALUES = {"a": 0.5, "b": 2.0, "name_1": 0.25, "zero": 0.0, "big": 1e300}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1.0),
        (".5", 0.5),
        ("1.5e2", 150.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 4 - 3", 3.0),
        ("16 / 4 / 2", 2.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("2 ** 3", 8.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ -1", 0.5),
        ("--1", 1.0),
        ("+1", 1.0),
        ("a * b + name_1", 1.25),
        ("(a + b) / 2", 1.25),
        ("min(a, b)", 0.5),
        ("max(a, b, 7)", 7.0),
        ("min(a)", 0.5),
        ("abs(-a)", 0.5),
        ("floor(1.9)", 1.0),
        ("ceil(1.1)", 2.0),
        ("floor(-1.1)", -2.0),
        ("exp(0)", 1.0),
        ("sqrt(16)", 4.0),
        ("log(exp(2))", 2.0),
        ("0.7*a+0.3*max(zero,b-1)", 0.65),
        (" \n a\t", 0.5),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert Formula.parse(text).evaluate(VALUES) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / zero", "division by zero"),
        ("zero ^ -1", "no value"),
        ("sqrt(-1)", "no value"),
        ("log(zero)", "no value"),
        ("(-8) ^ 0.5", "no value"),
        ("exp(1000)", "too large"),
        ("10 ^ 400", "too large"),
        ("big * big", "not a finite"),
        ("big * big - big * big", "not a finite"),
        ("floor(big * big)", "too large"),
        ("c", "'c' has no value"),
    ],
)
def test_what_has_no_value_says_why(text: str, reason: str) -> None:
    with pytest.raises(FormulaError, match=reason):
        Formula.parse(text).evaluate(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 +",
        "* 1",
        "(1",
        "1)",
        "1 2",
        "a b",
        "a.b",
        "a[0]",
        "'a'",
        "a if b else 1",
        "lambda: 1",
        "a == b",
        "a < b",
        "1 // 2",
        "1 % 2",
        "a := 1",
        "__import__('os')",
        "open(a)",
        "min",
        "min()",
        "abs(a, b)",
        "sqrt(1, 2)",
        "f(a)",
        "1,2",
        "é",
        "1e999",
        "a; b",
        "()",
        "max(,)",
        "min(a,)",
        "1..2",
        "0x10",
        "1_000",
        "a\\nb",
        "@a",
        "a & b",
        "~a",
        "not a",
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        Formula.parse(text)


@pytest.mark.parametrize(
    "text", ["(" * 2000 + "1" + ")" * 2000, "-" * 3000 + "1", "2^" * 1500 + "2", "abs(" * 800 + "1" + ")" * 800]
)
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(FormulaError, match="nested"):
        Formula.parse(text)


def test_length_is_bounded() -> None:
    with pytest.raises(FormulaError, match="longer"):
        Formula.parse("1+" * MAX_CHARS + "1")


def test_a_long_flat_formula_is_fine() -> None:
    assert Formula.parse("+".join(["a"] * 2000)).evaluate({"a": 0.5}) == pytest.approx(1000)


def test_names_are_those_of_scores_only() -> None:
    assert Formula.parse("max(a, 2 * b) + sqrt(c)").names == {"a", "b", "c"}


ATOMS = st.sampled_from(["a", "b", "1", "2.5", "0", "(a)", "min(a, b)", "sqrt(b)", "1e3"])
FORMULAS = st.recursive(
    ATOMS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "^"]), inner)
        | st.builds("{}({})".format, st.sampled_from(["abs", "floor", "ceil", "exp", "sqrt", "log"]), inner)
    ),
    max_leaves=8,
)


@given(FORMULAS, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_formula_gives_a_finite_number_or_its_own_error(text: str, a: float, b: float) -> None:
    formula = Formula.parse(text)
    try:
        assert math.isfinite(formula.evaluate({"a": a, "b": b}))
    except FormulaError:
        return


@given(st.text(alphabet="ab0123456789.e+-*/^(), _minsqrt[]'\"=<>!:;{}\n\\", max_size=120))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        Formula.parse(text).evaluate({"a": 1.0, "b": 2.0})
    except FormulaError:
        return


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 50)), min_size=1, max_size=10))
def test_sums_and_products_agree_with_python(terms: list[tuple[str, int]]) -> None:
    text = "1" + "".join(f" {sign} {number}" for sign, number in terms)
    assert Formula.parse(text).evaluate({}) == pytest.approx(eval(text, {}))
