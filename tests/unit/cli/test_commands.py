"""The tree of commands: help, examples, JSON, start-up."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cluster.cli.app import app
from tests.unit.cli.conftest import Run

DOCUMENTATION = (Path(__file__).parents[3] / "docs/cli.md").read_text()


def commands() -> dict[str, Any]:
    """Every command that does something, by what one types for it."""
    found: dict[str, Any] = {}

    def visit(command: Any, typed: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[typed] = command
            return
        for name, each in inner.items():
            visit(each, f"{typed} {name}".strip())

    visit(get_command(app), "")
    return found


@pytest.mark.parametrize("typed", commands())
def test_every_command_has_json_an_example_and_a_place_in_the_documentation(run: Run, typed: str) -> None:
    shown = run(*typed.split(), "--help").stdout
    assert "--json" in shown
    assert "Example:" in shown
    assert f"`ossature {typed}" in DOCUMENTATION


def test_every_option_says_what_it_does() -> None:
    for typed, command in commands().items():
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{typed}: {parameter.name}"


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"ossature {version('ossature')}\n"


def test_help_loads_nothing_heavy() -> None:
    """Start-up stays under half a second because none of these is imported for it."""
    heavy = ("ray", "vllm", "torch", "pydantic", "httpx", "sqlalchemy", "fastapi", "grpc", "numpy", "rich")
    code = f"""
import sys
sys.argv = ["ossature", "--help"]
from cluster.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "chat" in done.stdout
