"""The operator's pages name what there is: tests of boundaries, a runbook for each alert, metrics, settings, commands."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from cluster.cli.app import app
from cluster.config.schema import ClusterConfig
from cluster.telemetry import catalog

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


OPENTELEMETRY = {"http.route", "http.response.status_code"}
"""Attributes of spans, which look like settings."""
PAGES = ("operations", "faults", "tls", "tracing", "threat-model")
TEXTS = {page: (ROOT / f"docs/{page}.md").read_text() for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_metrics_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"\bossature_[a-z_]+", TEXTS[page]))
    known = {metric.name for metric in catalog.ALL} | {f"{metric.name}_bucket" for metric in catalog.ALL}
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_a_page_names_exist(page: str) -> None:
    reference = (ROOT / "docs/configuration.md").read_text()
    dotted = set(re.findall(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+)+)(?:: [^`]*)?`", TEXTS[page]))
    named = {each for each in dotted if each.split(".")[0].removesuffix("[]") in ClusterConfig.model_fields}
    assert {each for each in named - OPENTELEMETRY if f"`{each}`" not in reference} == set()


def test_commands_that_the_pages_name_exist() -> None:
    cli = typer.main.get_command(app)
    mentions = {
        each for text in TEXTS.values() for each in re.findall(r"(?:`|^)ossature ([a-z-]+(?: [a-z-]+)?)", text, re.MULTILINE)
    }
    assert len(mentions) > 10
    for mention in mentions:
        command: Any = cli
        for word in mention.split():
            if isinstance(command, click.Group):
                assert word in command.commands, mention
                command = command.commands[word]
