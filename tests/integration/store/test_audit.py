"""The audit log on both databases: with its action or not at all, never changed, without secrets, bounded."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, StoreUnavailable
from cluster.identity import bootstrap, repository
from cluster.identity.audit import AT_START, AuditEvent, AuditFilter, AuditLog
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.identity.refusal_budget import BURST, RefusalBudget
from cluster.identity.secrets import new_secret
from cluster.store.database import Database
from cluster.telemetry import logs

pytestmark = pytest.mark.integration

NOBODY = Principal(org_id="org_x", project_id="proj_x", key_id="key_x")


@pytest.fixture
def audit(database: Database) -> AuditLog:
    return AuditLog(database)


@pytest.fixture
def directory(database: Database, audit: AuditLog) -> Directory:
    return Directory(database, audit)


async def events(audit: AuditLog, admin: Principal, **wanted: str) -> list[AuditEvent]:
    """Oldest first."""
    return (await audit.list_events(admin, AuditFilter(**wanted), after=None, limit=100)).events[::-1]


async def test_every_change_leaves_who_what_to_whom_and_in_which_request(
    directory: Directory, audit: AuditLog, admin: Principal
) -> None:
    with logs.bound(request_id="req_1"):
        organization = await directory.create_organization(admin, "acme")
        project = await directory.create_project(admin, organization.id, "web")
        key = await directory.create_key(admin, organization.id, project.id, "ci")
        other = await directory.create_admin_key(admin, "second")
        await directory.revoke_key(admin, key.api_key.id)
    found = await events(audit, admin)
    assert [(event.action, event.target, event.organization_id) for event in found] == [
        ("create_organization", organization.id, organization.id),
        ("create_project", project.id, organization.id),
        ("create_key", key.api_key.id, organization.id),
        ("create_admin_key", other.api_key.id, ""),
        ("revoke_key", key.api_key.id, organization.id),
    ]
    assert {(event.outcome.value, event.actor, event.request_id) for event in found} == {("done", admin.key_id, "req_1")}
    assert found[2].details == {"name": "ci", "project_id": project.id}


async def test_refused_attempts_are_written_with_their_reason(directory: Directory, audit: AuditLog, admin: Principal) -> None:
    await directory.create_organization(admin, "acme")
    with pytest.raises(Conflict):
        await directory.create_organization(admin, "acme")
    with pytest.raises(PermissionDenied):
        await directory.create_admin_key(NOBODY, "mine")
    with pytest.raises(NotFound):
        await directory.revoke_key(admin, "key_\0of nobody")
    with pytest.raises(InvalidRequest):
        await directory.create_organization(admin, "")
    found = await events(audit, admin, outcome="refused")
    assert [(event.action, event.actor, event.error) for event in found][:3] == [
        ("create_organization", admin.key_id, "name_taken"),
        ("create_admin_key", NOBODY.key_id, "permission_denied"),
        ("revoke_key", admin.key_id, found[2].error),
    ]
    assert len(found) == 4
    assert found[2].target == "key_of nobody"
    assert all(event.error for event in found)


async def test_no_secret_gets_into_the_log(directory: Directory, audit: AuditLog, admin: Principal, database: Database) -> None:
    key = await directory.create_admin_key(admin, "second")
    with pytest.raises(NotFound):
        await directory.revoke_key(admin, key.secret)
    await directory.create_organization(admin, f"pasted {key.secret}")
    async with database.session() as session:
        rows = (await session.execute(text("SELECT * FROM audit_events"))).all()
    assert len(rows) == 3
    assert key.secret not in str(rows)
    assert key.secret[9:] not in json.dumps([list(map(str, row)) for row in rows])


async def test_an_action_that_fails_leaves_no_row_that_it_was_done(
    directory: Directory, audit: AuditLog, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(session: AsyncSession) -> int:
        raise StoreUnavailable("gone")

    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "ci")
    monkeypatch.setattr(repository, "raise_revision", lost)
    with pytest.raises(StoreUnavailable):
        await directory.revoke_key(admin, key.api_key.id)
    assert await events(audit, admin, action="revoke_key") == []


async def test_an_action_whose_row_cannot_be_written_is_not_done(
    directory: Directory, database: Database, audit: AuditLog, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await directory.create_organization(admin, "first")
    (event,) = await events(audit, admin)
    monkeypatch.setattr("cluster.identity.audit.new_id", lambda _: event.id)  # a row of this id exists
    with pytest.raises(IntegrityError):
        await directory.create_organization(admin, "second")
    monkeypatch.undo()
    assert [organization.name for organization in await directory.list_organizations(admin)] == ["first"]


@pytest.mark.parametrize("statement", ["UPDATE audit_events SET actor = 'somebody else'", "DELETE FROM audit_events"])
async def test_the_database_refuses_to_change_the_log(
    directory: Directory, audit: AuditLog, admin: Principal, database: Database, statement: str
) -> None:
    await directory.create_organization(admin, "acme")
    before = await events(audit, admin)
    with pytest.raises(Exception, match="never changed or deleted"):
        async with database.transaction() as session:
            await session.execute(text(statement))
    assert await events(audit, admin) == before


async def test_truncating_is_refused_too(audit: AuditLog, database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(Exception, match="never changed or deleted"):
        async with database.transaction() as session:
            await session.execute(text("TRUNCATE audit_events"))


async def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repetition(
    directory: Directory, audit: AuditLog, admin: Principal
) -> None:
    for number in range(5):
        await directory.create_organization(admin, f"o{number}")
    seen: list[str] = []
    after = None
    while True:
        page = await audit.list_events(admin, AuditFilter(), after=after, limit=2)
        seen += [event.details["name"] for event in page.events]
        if not page.has_more:
            break
        after = page.events[-1].id
    assert seen == ["o4", "o3", "o2", "o1", "o0"]
    with pytest.raises(NotFound):
        await audit.list_events(admin, AuditFilter(), after="audit_none", limit=2)
    with pytest.raises(PermissionDenied):
        await audit.list_events(NOBODY, AuditFilter(), after=None, limit=2)


async def test_who_is_refused_over_and_over_fills_no_database(database: Database, admin: Principal) -> None:
    now = [0.0]
    audit = AuditLog(database, budget=RefusalBudget(lambda: now[0]))
    for _ in range(BURST + 30):
        await audit.refused("key_x", "create_key", PermissionDenied("no"))
    await audit.refused("key_y", "create_key", PermissionDenied("no"))
    assert len(await events(audit, admin, actor="key_x")) == BURST
    assert len(await events(audit, admin, actor="key_y")) == 1
    now[0] = 10.0
    await audit.refused("key_x", "create_key", PermissionDenied("no"))
    assert (await events(audit, admin, actor="key_x"))[-1].details == {"passed_over": "30"}


async def test_the_first_keys_are_in_the_log_once(database: Database, audit: AuditLog, admin: Principal) -> None:
    admin_key, api_key = new_secret(admin=True), new_secret()
    for _ in range(2):
        await bootstrap.ensure_admin_key(database, admin_key)
        await bootstrap.ensure_organization(database, "dev", api_key)
    found = await events(audit, admin, actor=AT_START)
    assert [event.action for event in found] == ["create_admin_key", "create_organization", "create_key"]
