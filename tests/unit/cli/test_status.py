"""``ossature status``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.cli.client import ClusterClient
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_cluster import FakeCluster


def model(name: str, there: int, **fields: Any) -> dict[str, Any]:
    ids = [f"{name}-{number}" for number in range(there)]
    return {"id": name, "replicas": ids, "replicas_wanted": 1, "replicas_max": 1, "organization": None, **fields}


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cluster says of itself."""
    told: dict[str, Any] = {"name": "prod", "version": "1.2", "ready": True, "models": [], "speech": None}

    def get(self: ClusterClient, path: str, **query: str) -> dict[str, Any]:
        assert path == "/admin/v1/status"
        return told

    monkeypatch.setattr(ClusterClient, "get", get)
    return told


def test_replicas_are_shown_with_those_that_are_wanted(run: Run, cluster: FakeCluster, state: dict[str, Any]) -> None:
    state["models"] = [
        model("fixed", 2, replicas_wanted=2, replicas_max=2),
        model("scaled", 3, replicas_wanted=2, replicas_max=8, organization="acme"),
    ]
    shown = run("status")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0][:2] == ["prod", "1.2"]
    assert lines[2:4] == [["fixed", "2", "of", "2", "all"], ["scaled", "3", "of", "2", "to", "8", "acme"]]
    assert lines[-1] == ["speech:", "off"]


def test_a_model_without_a_replica_ends_it_with_one_and_all_is_shown(run: Run, cluster: FakeCluster, state: dict[str, Any]) -> None:
    state |= {"ready": False, "models": [model("loading", 0)]}
    shown = run("status", "--json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout) == state
    assert "replica" in json.loads(shown.stderr)["error"]["message"]


def test_no_cluster_ends_it_with_three(run: Run) -> None:
    assert run("status", "--base-url", "http://127.0.0.1:1", env={"OSSATURE_ADMIN_KEY": "sk-admin-x"}).exit_code == 3
