from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import InvalidRequest
from cluster.evals import template
from cluster.evals.case import Case, sample_of
from cluster.evals.grade import Fault, GradingFailed
from cluster.evals.template import MissingPath, TemplateError, TooLong
from cluster.evals.template_check import check_templates

ITEM = {"name": "Ada", "rows": [{"id": 7}, {"id": None}], "odd key": "x", "flag": True, "price": 1.5, "empty": ""}
NAMESPACES = {"item": ITEM, "sample": sample_of('{"b": [1, 2]}')}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{item.name}}", "Ada"),
        ("{{ item.name }}", "Ada"),
        ("{{\n\titem.name }}!", "Ada!"),
        ("{{item.name}}{{item.name}}", "AdaAda"),
        ("a{{item.rows[0].id}}b", "a7b"),
        ("{{item.rows[1].id}}", "null"),
        ("{{item.flag}} {{item.price}}", "true 1.5"),
        ("{{item.rows}}", '[{"id":7},{"id":null}]'),
        ('{{item["odd key"]}}', "x"),
        ("{{item['odd key']}}", "x"),
        ("{{item.empty}}", ""),
        ("{{sample.output_text}}", '{"b": [1, 2]}'),
        ("{{sample.output_json.b[1]}}", "2"),
        ("{{sample.output_tools}}", "[]"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("} }} {", "} }} {"),
    ],
)
def test_placeholders_become_their_values(text: str, expected: str) -> None:
    assert template.parse(text).render(NAMESPACES) == expected


def test_a_whole_namespace_is_json() -> None:
    assert json.loads(template.parse("{{item}}").render(NAMESPACES)) == ITEM


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{item.nmae}}", "item.nmae"),
        ("{{item.rows[2]}}", "item.rows[2]"),
        ("{{item.rows[0].id.deep}}", "item.rows[0].id.deep"),
        ("{{item.rows.id}}", "item.rows.id"),
        ("{{item[0]}}", "item[0]"),
        ("{{item.name.upper}}", "item.name.upper"),
        ("{{item.name[0]}}", "item.name[0]"),
        ("{{sample.output_text.x}}", "sample.output_text.x"),
        ('{{item["no such"].x}}', 'item["no such"]'),
    ],
)
def test_a_path_that_leads_nowhere_is_named(text: str, path: str) -> None:
    with pytest.raises(MissingPath) as caught:
        template.parse(text).render(NAMESPACES)
    assert caught.value.path == path
    assert path in str(caught.value)


def test_a_namespace_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingPath, match="no 'sample'"):
        template.parse("{{sample.output_text}}").render({"item": ITEM})


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{item.name",
        "{{}}",
        "{{ }}",
        "{{name}}",
        "{{items.name}}",
        "{{item.}}",
        "{{item..name}}",
        "{{item.name()}}",
        "{{item.name|upper}}",
        "{{item.name + 1}}",
        "{{item.__class__()}}",
        "{{item[-1]}}",
        "{{item[name]}}",
        "{{item.rows[0:1]}}",
        "{{item .name}}",
        '{{item["a]}}',
        "{{'{{'}}",
        "{{item." + "x" * 600 + "}}",
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        template.parse(text)


def test_python_attributes_are_out_of_reach() -> None:
    for name in ("__class__", "__dict__", "keys", "items"):
        with pytest.raises(MissingPath):
            template.parse(f"{{{{item.{name}}}}}").render(NAMESPACES)


def test_a_short_template_can_not_fill_memory() -> None:
    with pytest.raises(TooLong):
        template.parse("{{item.x}}" * 200).render({"item": {"x": "y" * 100_000}})


@given(st.text(alphabet="{}[].'\"item samplx_0-9()\n", max_size=200))
def test_any_text_renders_or_raises_its_own_error(text: str) -> None:
    try:
        template.parse(text).render(NAMESPACES)
    except TemplateError:
        return


KEYS = st.text(st.characters(blacklist_characters='"\\', blacklist_categories=("Cs",)), max_size=20)


@given(st.dictionaries(KEYS, st.text(max_size=20) | st.integers() | st.booleans() | st.none(), min_size=1))
def test_every_key_of_an_object_can_be_named(item: dict[str, Any]) -> None:
    for key, value in item.items():
        placeholder = f'{{{{item["{key}"]}}}}'
        if "}}" in key:
            continue
        rendered = template.parse(placeholder).render({"item": item})
        assert rendered == (value if isinstance(value, str) else template.written(value))


@given(st.text(max_size=300).filter(lambda text: "{{" not in text))
def test_values_are_not_read_as_templates_again(text: str) -> None:
    assert template.parse("{{item.x}}").render({"item": {"x": text + "{{item.secret}}"}}) == text + "{{item.secret}}"


# --- cases ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{sample.output_json.a}}", Fault.SAMPLE_PARSE),
        ("{{sample.output_jsn}}", Fault.INVALID_VARIABLE),
        ("{{item.x}}", Fault.INVALID_VARIABLE),
        ("{{oops}}", Fault.INVALID_VARIABLE),
    ],
)
def test_a_case_names_the_kind_of_failure_and_the_field(text: str, fault: Fault) -> None:
    with pytest.raises(GradingFailed) as caught:
        Case(item={}, sample=sample_of("no json")).fill_in(text, "input.0.content")
    assert caught.value.fault is fault
    assert caught.value.message.startswith("input.0.content: ")


def test_an_answer_without_text_has_an_empty_one() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert sample_of(None, [call]) == {"output_text": "", "output_tools": [call]}


@pytest.mark.parametrize("text", ["[" * 100_000, "\ud800", "NaN", "{'a': 1}"])
def test_text_that_is_no_json_has_no_output_json(text: str) -> None:
    assert "output_json" not in sample_of(text)


# --- against a schema -----------------------------------------------------------------------------------------------------

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        "free": {},
        "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
        "shut": {"type": "object", "additionalProperties": False},
        "never": False,
        "tree": {"$ref": "#/$defs/tree"},
        "either": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}}]},
        "maybe": {"type": ["object", "null"], "properties": {"y": {}}},
        "loop": {"$ref": "#/$defs/loop"},
        "far": {"$ref": "https://schemas.example/x.json"},
    },
    "$defs": {
        "tree": {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}, "value": {"type": "number"}}},
        "loop": {"anyOf": [{"$ref": "#/$defs/loop"}, {"$ref": "#/$defs/loop"}]},
    },
}
WHOLE = {"type": "object", "properties": {"item": SCHEMA}}


@pytest.mark.parametrize(
    "path",
    [
        "item",
        "item.name",
        "item.rows",
        "item.rows[3].id",
        "item.pair[0]",
        "item.free.x[0].y",
        "item.open.b",
        "item.tree.child.child.value",
        "item.either.x",
        "item.maybe.y",
        "item.far.anything",
    ],
)
def test_a_path_that_an_item_may_have_passes(path: str) -> None:
    check_templates([("input", f"{{{{{path}}}}}")], WHOLE)


@pytest.mark.parametrize(
    "path",
    [
        "item.nmae",
        "item.name.first",
        "item.name[0]",
        "item.rows.id",
        "item.rows[0].ids",
        "item.pair[1]",
        "item.shut.x",
        "item.never",
        "item.tree.child.valu",
        "item.either.z",
        "item.maybe.z",
        "item.loop.x",
        "item[0]",
        "sample.output_text",
    ],
)
def test_a_path_that_no_item_can_have_is_refused_where_it_stands(path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_templates([("testing_criteria.2.input", f"x {{{{ {path} }}}}")], WHOLE)
    assert caught.value.param == "testing_criteria.2.input"
    assert path in caught.value.message
