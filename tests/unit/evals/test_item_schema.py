"""Schemas that clients write: what they mean, and what they can't do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cluster.evals.runs.item_schema import ITEM_S, ItemSchema

DOUBLING: dict[str, Any] = {
    "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)},
    "$ref": "#/$defs/a0",
}
DOUBLING["$defs"]["a60"] = {}


def problem(schema: dict[str, Any], item: object) -> tuple[str, str] | None:
    return ItemSchema(schema).problem(item)


@pytest.mark.parametrize(
    ("schema", "item", "where"),
    [
        ({"properties": {"rows": {"items": {"type": "integer"}}}}, {"rows": [1, "x"]}, ".rows.1"),
        ({"required": ["a"]}, {}, ""),
        ({"properties": {"a": {"pattern": "^b+$"}}}, {"a": "abc"}, ".a"),
        ({"patternProperties": {"^n_": {"type": "number"}}}, {"n_x": "no"}, ".n_x"),
        (
            {"properties": {"a": {}}, "patternProperties": {"^n_": {}}, "additionalProperties": False},
            {"a": 1, "n_b": 2, "c": 3},
            "",
        ),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, ".a"),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}, ".a"),
        ({"$defs": {"n": {"type": "null"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, {"a": 0}, ".a"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(schema: dict[str, Any], item: object, where: str) -> None:
    found = problem(schema, item)
    assert found is not None
    assert found[0] == where
    assert not Draft202012Validator(schema).is_valid(item)


@pytest.mark.parametrize(
    ("schema", "item"),
    [
        ({}, {"a": 1}),
        ({"properties": {"a": {"pattern": "b"}}}, {"a": "abc"}),
        ({"properties": {"a": {"pattern": "b"}}}, {"a": 7}),
        ({"patternProperties": {"^n_": {}}, "additionalProperties": False}, {"n_b": 2}),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, 2, [1]]}),
        ({"properties": {"a": {"uniqueItems": False}}}, {"a": [1, 1]}),
        ({"$defs": {"t": {"properties": {"below": {"$ref": "#/$defs/t"}}}}, "$ref": "#/$defs/t"}, {"below": {"below": {}}}),
    ],
)
def test_what_fits_has_no_problem(schema: dict[str, Any], item: object) -> None:
    assert problem(schema, item) is None
    assert Draft202012Validator(schema).is_valid(item)


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", "file:///etc/passwd", "urn:nothing", "#/$defs/none"])
def test_references_lead_nowhere_but_into_the_schema(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def fetch(*arguments: object, **more: object) -> None:
        raise AssertionError(f"fetched {arguments}")

    monkeypatch.setattr("urllib.request.urlopen", fetch)
    found = problem({"$ref": address}, {})
    assert found is not None
    assert found[1].startswith("the schema can't be applied")


def test_a_schema_that_doubles_with_each_level_ends_in_time() -> None:
    began = time.thread_time()
    assert problem(DOUBLING, {}) == ("", "checking it takes too long; the schema must be simpler")
    assert time.thread_time() - began < 3 * ITEM_S


def test_a_pattern_that_backtracks_ends_in_time() -> None:
    found = problem({"properties": {"a": {"pattern": "^(a|aa)+$"}}}, {"a": "a" * 200 + "b"})
    # Either it is too slow, or this engine sees at once that it does not match.
    assert found is not None
    assert "takes too long" in found[1] or "does not match" in found[1]
    assert problem({"propertyNames": {"pattern": "x" * 2000}}, {"a": 1}) == (
        "",
        "a pattern of the schema is longer than 1000 characters",
    )


def test_many_elements_are_compared_quickly() -> None:
    schema = ItemSchema({"properties": {"a": {"uniqueItems": True}}})
    assert schema.problem({"a": [{"n": n} for n in range(20_000)]}) is None


def test_items_share_a_budget() -> None:
    schema = ItemSchema({"type": "object"}, budget_s=0.0)
    assert schema.problem({}) == ("", "checking it takes too long; the schema must be simpler")


def test_a_search_that_no_clock_ends_is_not_begun() -> None:
    found = problem({"unevaluatedProperties": False}, {"a": 1})
    assert found == ("", "'unevaluatedProperties' in schemas is not supported here")


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "*"])
def test_a_pattern_that_can_not_be_read_is_told(pattern: str) -> None:
    found = problem({"properties": {"a": {"pattern": pattern}}}, {"a": "x"})
    assert found is not None
    assert found[1].startswith("the schema can't be applied")
