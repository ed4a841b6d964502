"""``ossature audit list``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.cli.client import ClusterClient
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_cluster import FakeCluster


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "object": "audit_event",
        "id": f"audit_{number}",
        "at": 1767225600.5,
        "action": "create_key",
        "outcome": "done",
        "actor": "key_admin",
        "target": f"key_{number}",
        "organization_id": "org_1",
        "request_id": f"req_{number}",
        "error": None,
        "details": {"name": "ci"},
        **fields,
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The queries that were asked, answered by 150 events in pages."""
    queries: list[dict[str, str]] = []
    stored = [event(0, outcome="refused", error="permission_denied", actor=None), *(event(number) for number in range(1, 150))]

    def get(self: ClusterClient, path: str, **query: str) -> dict[str, Any]:
        assert path == "/admin/v1/audit_events"
        queries.append(query)
        start = int(query["after"].removeprefix("audit_")) + 1 if "after" in query else 0
        page = stored[start : start + int(query["limit"])]
        return {"data": page, "has_more": start + len(page) < len(stored), "last_id": page[-1]["id"]}

    monkeypatch.setattr(ClusterClient, "get", get)
    return queries


def test_events_are_shown_with_what_was_refused_and_why(run: Run, cluster: FakeCluster, asked: list[dict[str, str]]) -> None:
    shown = run("audit", "list", "--limit", "2").stdout
    for word in ("refused (permission_denied)", "unknown", "create_key", "key_admin", "req_1", "name=ci"):
        assert word in shown
    assert "audit_2" not in shown
    assert asked == [{"limit": "2"}]


def test_pages_are_followed_up_to_the_limit(run: Run, cluster: FakeCluster, asked: list[dict[str, str]]) -> None:
    found = json.loads(run("audit", "list", "--limit", "120", "--outcome", "done", "--json").stdout)
    assert len(found["data"]) == 120
    assert asked == [{"limit": "100", "outcome": "done"}, {"limit": "20", "outcome": "done", "after": "audit_99"}]
