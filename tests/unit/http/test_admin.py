from __future__ import annotations

import pytest

from tests.unit.http.conftest import Edge

ORGANIZATIONS = "/admin/v1/organizations"


async def admin(edge: Edge, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    answer = await edge.request(method, path, key="sk-admin", json=body)
    assert "openai-organization" not in answer.headers
    return answer.status_code, answer.json()


async def test_from_an_organization_to_a_revoked_key(edge: Edge) -> None:
    organization = {"object": "organization", "id": "org_0", "name": "Acme"}
    assert await admin(edge, "POST", ORGANIZATIONS, {"name": "Acme"}) == (200, organization)
    assert await admin(edge, "GET", f"{ORGANIZATIONS}/org_0") == (200, organization)
    listed = {"object": "list", "data": [organization], "first_id": "org_0", "last_id": "org_0", "has_more": False}
    assert await admin(edge, "GET", ORGANIZATIONS) == (200, listed)
    _, project = await admin(edge, "POST", f"{ORGANIZATIONS}/org_0/projects", {"name": "Web"})
    assert (await admin(edge, "GET", f"{ORGANIZATIONS}/org_0/projects"))[1]["data"] == [project]
    _, key = await admin(edge, "POST", f"{ORGANIZATIONS}/org_0/keys", {"name": "laptop", "project_id": project["id"]})
    assert (key["key"], key["project_id"]) == ("sk-new", "proj_0")
    _, keys = await admin(edge, "GET", f"{ORGANIZATIONS}/org_0/keys")
    assert "key" not in keys["data"][0]  # type: ignore[index]
    status, revoked = await admin(edge, "DELETE", "/admin/v1/keys/key_0")
    assert (status, revoked["revoked"]) == (200, True)


async def test_a_key_without_a_project_is_one_of_the_default_project(edge: Edge) -> None:
    await admin(edge, "POST", ORGANIZATIONS, {"name": "Acme"})
    for body in ({"name": "a"}, {"name": "b", "project_id": None}):
        _, key = await admin(edge, "POST", f"{ORGANIZATIONS}/org_0/keys", body)
        assert key["project_id"] is None


async def test_an_admin_key_is_created_listed_among_its_kind_and_revoked(edge: Edge) -> None:
    await admin(edge, "POST", ORGANIZATIONS, {"name": "Acme"})
    await admin(edge, "POST", f"{ORGANIZATIONS}/org_0/keys", {"name": "laptop"})
    status, made = await admin(edge, "POST", "/admin/v1/keys", {"name": "second operator"})
    assert (status, made["key"]) == (200, "sk-admin-new")
    _, listed = await admin(edge, "GET", "/admin/v1/keys")
    assert [(key["name"], "key" in key) for key in listed["data"]] == [("second operator", False)]  # type: ignore[attr-defined]
    assert (await admin(edge, "DELETE", f"/admin/v1/keys/{made['id']}"))[1]["revoked"] is True


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_keys_of_an_organization_neither_see_nor_make_admin_keys(edge: Edge, method: str) -> None:
    answer = await edge.request(method, "/admin/v1/keys", key="sk-acme", json={"name": "mine"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert edge.directory.keys == []


async def test_an_empty_list(edge: Edge) -> None:
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert await admin(edge, "GET", ORGANIZATIONS) == (200, empty)


async def test_status_is_asked_for_the_caller(edge: Edge) -> None:
    assert await admin(edge, "GET", "/admin/v1/status") == (200, {"object": "cluster.status", "asked_by": "key_admin"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", ORGANIZATIONS, {}, 400, "name"),
        ("POST", ORGANIZATIONS, {"name": 1}, 400, "name"),
        ("POST", ORGANIZATIONS, {"name": "a", "plan": "gold"}, 400, "plan"),
        ("POST", ORGANIZATIONS, {"name": "a" * 70_000}, 413, None),
        ("POST", f"{ORGANIZATIONS}/org_9/keys", {"name": "a"}, 404, "org_id"),
        ("POST", "/admin/v1/keys", {}, 400, "name"),
        ("POST", "/admin/v1/keys", {"name": "a", "project_id": "proj_0"}, 400, "project_id"),
        ("GET", f"{ORGANIZATIONS}/org_9", None, 404, "org_id"),
        ("DELETE", "/admin/v1/keys/key_9", None, 404, "key_id"),
        ("GET", f"{ORGANIZATIONS}/a/b", None, 404, None),
        ("PATCH", f"{ORGANIZATIONS}/org_0", None, 405, None),
    ],
)
async def test_refusals(edge: Edge, method: str, path: str, body: object, status: int, param: str | None) -> None:
    got, answer = await admin(edge, method, path, body)
    assert (got, answer["error"]["param"]) == (status, param)  # type: ignore[index]


async def test_a_taken_name_is_a_conflict(edge: Edge) -> None:
    await admin(edge, "POST", ORGANIZATIONS, {"name": "Acme"})
    status, answer = await admin(edge, "POST", ORGANIZATIONS, {"name": "Acme"})
    assert (status, answer["error"]["code"]) == (409, "name_taken")  # type: ignore[index]
