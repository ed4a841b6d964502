"""Administration through the edge, with the real directory behind it: what is in the audit log afterwards, and who may read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.config.settings.database import DatabaseSettings
from cluster.identity.audit import AuditLog
from cluster.identity.directory import Directory
from cluster.store.database import Database
from cluster.store.schema import upgrade
from tests.unit.http.conftest import Edge

EVENTS = "/admin/v1/audit_events"


@pytest.fixture
async def administered(tmp_path: Path) -> AsyncIterator[Edge]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    await upgrade(url)
    database = Database.open(url, DatabaseSettings())
    audit = AuditLog(database)
    async with Edge(directory=Directory(database, audit), audit=audit).served() as edge:
        yield edge
    await database.close()


async def listed(edge: Edge, query: str = "") -> list[dict[str, object]]:
    answer = await edge.request("GET", EVENTS + query, key="sk-admin")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, object]] = answer.json()["data"]
    return data


async def test_an_action_is_listed_with_the_request_id_of_its_answer(administered: Edge) -> None:
    made = await administered.request("POST", "/admin/v1/organizations", key="sk-admin", json={"name": "acme"})
    (event,) = await listed(administered)
    assert event["request_id"] == made.headers["x-request-id"]
    assert (event["action"], event["outcome"], event["target"]) == ("create_organization", "done", made.json()["id"])
    assert isinstance(event["at"], float)


async def test_attempts_without_an_admin_key_are_listed_with_who_tried(administered: Edge) -> None:
    assert (await administered.request("GET", "/admin/v1/keys", key="sk-acme")).status_code == 403
    assert (await administered.request("DELETE", "/admin/v1/keys/key_1", key="sk-wrong")).status_code == 401
    assert (await administered.request("POST", "/admin/v1/keys", key=None, json={"name": "x"})).status_code == 401
    found = await listed(administered, "?outcome=refused")
    assert [(event["action"], event["error"], event["actor"] is None) for event in found] == [
        ("create_admin_key", "invalid_api_key", True),
        ("revoke_key", "invalid_api_key", True),
        ("list_admin_keys", "permission_denied", False),
    ]


async def test_what_is_refused_elsewhere_is_no_matter_of_administration(administered: Edge) -> None:
    assert (await administered.request("GET", "/v1/models", key="sk-wrong")).status_code == 401
    assert await listed(administered) == []


async def test_only_an_admin_reads_the_log(administered: Edge) -> None:
    assert (await administered.request("GET", EVENTS, key="sk-acme")).status_code == 403
    assert (await administered.request("GET", EVENTS, key=None)).status_code == 401


@pytest.mark.parametrize("query", ["?outcome=maybe", "?limit=0", "?limit=101", "?unknown=1", "?after=audit_none"])
async def test_queries_that_mean_nothing_are_refused(administered: Edge, query: str) -> None:
    assert (await administered.request("GET", EVENTS + query, key="sk-admin")).status_code in (400, 404)


async def test_pages_and_filters(administered: Edge) -> None:
    for name in ("a", "b", "c"):
        await administered.request("POST", "/admin/v1/organizations", key="sk-admin", json={"name": name})
    page = (await administered.request("GET", f"{EVENTS}?limit=2", key="sk-admin")).json()
    assert (len(page["data"]), page["has_more"]) == (2, True)
    assert len(await listed(administered, f"?after={page['last_id']}")) == 1
    assert await listed(administered, "?action=create_key") == []
    target = page["data"][0]["target"]
    assert [event["target"] for event in await listed(administered, f"?organization_id={target}")] == [target]
