"""YAML as plain data with lines: what is refused, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.config.problems import ConfigError
from cluster.config.yaml_source import parse_value, parse_yaml, read_yaml


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, name="f.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_every_key_and_item_has_its_line() -> None:
    document = parse_yaml("http:\n  port: 1\nmodels:\n  - id: a\n  - id: b\n", name="f")
    assert document.data == {"http": {"port": 1}, "models": [{"id": "a"}, {"id": "b"}]}
    assert document.lines[("http", "port")] == 2
    assert document.lines[("models", 1)] == 5
    assert document.lines[("models", 1, "id")] == 5


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    assert problems("http:\n  port: 1\n  host: x\n  port: 2\n") == ["f.yaml:4: http.port: is given twice; first in line 2"]


def test_all_duplicates_are_reported_at_once() -> None:
    assert len(problems("a: 1\na: 2\nb: {c: 1, c: 2}\n")) == 2


def test_keys_stay_text() -> None:
    assert parse_yaml("environment: {ON: '1', 1: x, null: y}", name="f").data == {"environment": {"ON": "1", "1": "x", "null": "y"}}


def test_a_date_stays_text() -> None:
    assert parse_yaml("name: 2026-01-31", name="f").data == {"name": "2026-01-31"}


def test_anchors_and_merges_work_and_own_keys_win() -> None:
    document = parse_yaml("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", name="f")
    assert document.data["b"] == {"x": 1, "y": 3}
    assert document.lines[("b", "y")] == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: &a [*a]", "a.0: contains itself"),
        ("a: &a {<<: *a}", "a: contains itself"),
        ("a: !!python/object:os.system x", "has the tag !!python/object:os.system, which is not supported"),
        ("a: !!binary aGk=", "has the tag !!binary"),
        ("a: !!int word", "is not a valid int"),
        ("? [1]\n: 2", "a name must be plain text"),
        ("a:\n  <<: 1", "`<<` takes a mapping"),
        ('a: "\\ud800"', "is not valid Unicode text"),
        ("- 1", "must be a mapping of sections"),
        ("a: [1", "is not valid YAML"),
        ("a: 1\n\tb: 2", "is not valid YAML"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(text: str, complaint: str) -> None:
    assert any(complaint in problem for problem in problems(text))


def test_a_syntax_error_does_not_quote_the_line() -> None:
    (problem,) = problems('secret: "top-secret\nhttp: {}\n')
    assert "top-secret" not in problem
    assert problem.startswith("f.yaml:")


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert parse_yaml("# nothing yet\n", name="f").data == {}


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file or directory"):
        read_yaml(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        read_yaml(tmp_path / "f.yaml")


@pytest.mark.parametrize(
    ("text", "value"), [("8", 8), ("true", True), ("[1, a]", [1, "a"]), ("", None), ("1e-3", "1e-3"), ("a: 1", {"a": 1})]
)
def test_one_value_reads_as_in_the_file(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_a_value_that_would_add_settings_is_refused() -> None:
    with pytest.raises(ValueError, match="is not valid YAML"):
        parse_value("8\nother: 1")
