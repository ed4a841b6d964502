"""The operator's pages name what there is: tests that try to cross boundaries, a runbook for each alert."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
THREATS = (ROOT / "docs/threat-model.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", THREATS)))


@cache
def named_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("path", "name"), NAMED_TESTS)
def test_every_test_that_the_threat_model_names_exists(path: str, name: str) -> None:
    assert name in named_in(path)


def test_every_boundary_has_a_test() -> None:
    rows = [line for line in THREATS.splitlines() if line.startswith("| ") and not line.startswith("| From")]
    assert len(rows) > 15
    assert [row for row in rows if "::test_" not in row] == []
    assert len(NAMED_TESTS) >= len(rows)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert set(re.findall(r"^### (Ossature\w+)$", OPERATIONS, re.MULTILINE)) == alerts


def test_runbooks_send_nobody_to_a_runbook_that_is_not_there() -> None:
    headings = set(re.findall(r"^### (Ossature\w+)$", OPERATIONS, re.MULTILINE))
    assert headings
    assert set(re.findall(r"\bOssature[A-Z]\w+", OPERATIONS)) <= headings
