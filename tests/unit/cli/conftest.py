"""A fake cluster with its endpoints file, and a way to run commands against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cluster.cli.app import app
from tests.unit.cli.fake_cluster import ADMIN_KEY, API_KEY, FakeCluster, fake_cluster

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder and no variables of ours, so that nothing of this machine is picked up."""
    import os

    for name in [name for name in os.environ if name.startswith("OSSATURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cluster(folder: Path) -> Iterator[FakeCluster]:
    """A running cluster, found through ``.run/endpoints.json`` as the real one is."""
    with fake_cluster() as running:
        write_endpoints(folder, running.url)
        yield running


def write_endpoints(folder: Path, url: str) -> Path:
    path = folder / ".run" / "endpoints.json"
    path.parent.mkdir(exist_ok=True)
    content = {"http": url, "grpc": None, "metrics": "", "api_key": API_KEY, "admin_key": ADMIN_KEY, "models": ["first", "second"]}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def run() -> Run:
    """Run a command in this process: ``run("org", "list", env={…}, stdin="…")``."""

    def invoke(*arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> Result:
        result = CliRunner().invoke(app, list(arguments), env=env, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
