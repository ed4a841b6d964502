"""Organizations, projects and keys through the directory, on both databases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cluster.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from cluster.identity import bootstrap
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.identity.secrets import is_id, new_id, new_secret
from cluster.store.database import Database

pytestmark = pytest.mark.integration

INJECTIONS = ["'; DROP TABLE organizations; --", '" OR ""="', "Robert'); DELETE FROM api_keys;--", "%s %(name)s :name ${x} \\"]
UNICODE = ["Grüße & Söhne", "株式会社", "שלום", "👩‍🚀 crew", "naïve"]


@pytest.fixture
def directory(database: Database) -> Directory:
    return Directory(database)


async def test_an_organization_has_a_default_project_from_the_start(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    assert is_id("org", organization.id)
    assert await directory.get_organization(admin, organization.id) == organization
    assert await directory.list_organizations(admin) == [organization]
    (project,) = await directory.list_projects(admin, organization.id)
    assert project.is_default
    assert project.organization_id == organization.id


async def test_a_key_without_project_belongs_to_the_default_one(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    (default,) = await directory.list_projects(admin, organization.id)
    other = await directory.create_project(admin, organization.id, "batch")
    implicit = await directory.create_key(admin, organization.id, None, "ci")
    explicit = await directory.create_key(admin, organization.id, other.id, "ci")
    assert implicit.api_key.project_id == default.id
    assert explicit.api_key.project_id == other.id
    assert implicit.secret != explicit.secret
    listed = await directory.list_keys(admin, organization.id)
    assert {key.id for key in listed} == {implicit.api_key.id, explicit.api_key.id}


async def test_listings_hold_one_organization_alone(directory: Directory, admin: Principal) -> None:
    ours = await directory.create_organization(admin, "ours")
    theirs = await directory.create_organization(admin, "theirs")
    await directory.create_project(admin, theirs.id, "their project")
    await directory.create_key(admin, theirs.id, None, "their key")
    assert await directory.list_keys(admin, ours.id) == []
    assert [project.organization_id for project in await directory.list_projects(admin, ours.id)] == [ours.id]


async def test_a_key_cannot_be_of_another_organizations_project(directory: Directory, admin: Principal, database: Database) -> None:
    ours = await directory.create_organization(admin, "ours")
    theirs = await directory.create_organization(admin, "theirs")
    their_project = await directory.create_project(admin, theirs.id, "p")
    with pytest.raises(NotFound) as caught:
        await directory.create_key(admin, ours.id, their_project.id, "k")
    assert caught.value.param == "project_id"
    key = await directory.create_key(admin, ours.id, None, "k")
    # Not even by a statement that forgets to check.
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE api_keys SET project_id = :project WHERE id = :key"),
                {"project": their_project.id, "key": key.api_key.id},
            )


async def test_every_call_needs_an_admin(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "k")
    (project,) = await directory.list_projects(admin, organization.id)
    own = Principal(org_id=organization.id, project_id=project.id, key_id=key.api_key.id)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: directory.create_organization(own, "x"),
        lambda: directory.list_organizations(own),
        lambda: directory.get_organization(own, organization.id),
        lambda: directory.create_project(own, organization.id, "x"),
        lambda: directory.list_projects(own, organization.id),
        lambda: directory.create_key(own, organization.id, None, "x"),
        lambda: directory.list_keys(own, organization.id),
        lambda: directory.create_admin_key(own, "x"),
        lambda: directory.list_admin_keys(own),
        lambda: directory.revoke_key(own, key.api_key.id),
    ]
    public = {name for name in dir(Directory) if not name.startswith("_")}
    assert len(calls) == len(public)
    for call in calls:
        with pytest.raises(PermissionDenied):
            await call()
    assert [k.revoked_at for k in await directory.list_keys(admin, organization.id)] == [None]


async def test_unknown_and_malformed_ids_are_not_found_with_their_field(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    for bad in (new_id("org"), "org_", "", "x" * 100_000, "org_\x00", "' OR 1=1 --", "\ud800", organization.id + "\n"):
        for call in (directory.get_organization, directory.list_projects, directory.list_keys):
            with pytest.raises(NotFound) as caught:
                await call(admin, bad)
            assert caught.value.param == "org_id"
    for bad in (new_id("key"), "key_\x00", "\ud800"):
        with pytest.raises(NotFound) as caught:
            await directory.revoke_key(admin, bad)
        assert caught.value.param == "key_id"
    with pytest.raises(NotFound) as caught:
        await directory.create_key(admin, organization.id, "proj_\x00", "k")
    assert caught.value.param == "project_id"


async def test_names_are_kept_as_they_are(directory: Directory, admin: Principal) -> None:
    for name in INJECTIONS + UNICODE:
        organization = await directory.create_organization(admin, name)
        project = await directory.create_project(admin, organization.id, name)
        key = await directory.create_key(admin, organization.id, project.id, name)
        assert (await directory.get_organization(admin, organization.id)).name == name
        assert name in [p.name for p in await directory.list_projects(admin, organization.id)]
        assert [k.name for k in await directory.list_keys(admin, organization.id)] == [name] == [key.api_key.name]
    assert {o.name for o in await directory.list_organizations(admin)} == {*INJECTIONS, *UNICODE}


async def test_bad_names_are_refused_and_nothing_is_made(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    for name in ("", "   ", "x" * 101, "x" * 10_000_000, "a\x00b", "a\nb", "\ud800", "a\u202eb"):
        for call in (
            directory.create_organization(admin, name),
            directory.create_project(admin, organization.id, name),
            directory.create_key(admin, organization.id, None, name),
            directory.create_admin_key(admin, name),
        ):
            with pytest.raises(InvalidRequest) as caught:
                await call
            assert caught.value.param == "name"
            assert len(caught.value.message) < 200
    assert len(await directory.list_organizations(admin)) == 1
    assert len(await directory.list_projects(admin, organization.id)) == 1
    assert await directory.list_keys(admin, organization.id) == []
    assert await directory.list_admin_keys(admin) == []


async def test_a_name_of_the_longest_length_fits(directory: Directory, admin: Principal) -> None:
    assert (await directory.create_organization(admin, "株" * 100)).name == "株" * 100


async def test_a_taken_name_is_a_conflict(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "Caf\u00e9")
    with pytest.raises(Conflict) as caught:
        await directory.create_organization(admin, " Cafe\u0301 ")  # the same text, otherwise encoded
    assert (caught.value.param, caught.value.code, caught.value.status) == ("name", "name_taken", 409)
    await directory.create_project(admin, organization.id, "p")
    with pytest.raises(Conflict):
        await directory.create_project(admin, organization.id, "p")
    other = await directory.create_organization(admin, "other")
    await directory.create_project(admin, other.id, "p")


async def test_of_many_creations_of_one_name_exactly_one_succeeds(open_database: Callable[[], Database], admin: Principal) -> None:
    directories = [Directory(open_database()) for _ in range(3)]
    made = await asyncio.gather(
        *(directories[index % 3].create_organization(admin, "acme") for index in range(24)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in made) == 23
    (organization,) = await directories[0].list_organizations(admin)
    assert len(await directories[0].list_projects(admin, organization.id)) == 1


async def test_keys_created_at_once_are_all_different(open_database: Callable[[], Database], admin: Principal) -> None:
    directories = [Directory(open_database()) for _ in range(2)]
    organization = await directories[0].create_organization(admin, "acme")
    keys = await asyncio.gather(*(directories[index % 2].create_key(admin, organization.id, None, "k") for index in range(40)))
    assert len({key.secret for key in keys}) == 40
    assert len(await directories[1].list_keys(admin, organization.id)) == 40


async def test_revoking_again_keeps_the_first_time(directory: Directory, admin: Principal, database: Database) -> None:
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "k")
    first = await directory.revoke_key(admin, key.api_key.id)
    assert first.revoked_at is not None
    again = await asyncio.gather(*(directory.revoke_key(admin, key.api_key.id) for _ in range(5)))
    assert {k.revoked_at for k in again} == {first.revoked_at}
    async with database.session() as session:
        assert (await session.execute(text("SELECT value FROM revisions"))).scalar_one() == 1


async def test_secrets_are_shown_once_and_stored_nowhere(
    directory: Directory, admin: Principal, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_key(admin, organization.id, None, "k")
    admin_key = await directory.create_admin_key(admin, "ops")
    await directory.revoke_key(admin, key.api_key.id)
    listed = [*await directory.list_keys(admin, organization.id), *await directory.list_admin_keys(admin)]
    async with database.session() as session:
        rows = (await session.execute(text("SELECT * FROM api_keys"))).all()
    for secret in (key.secret, admin_key.secret):
        shown = [repr(key), str(key), repr(admin_key), repr(rows), repr(listed), str([k.to_json() for k in listed]), caplog.text]
        assert not any(secret in text_ or secret[3:30] in text_ for text_ in shown)
    assert key.to_json()["key"] == key.secret
    assert [k.to_json()["redacted_value"] for k in listed] == [f"sk-…{key.secret[-4:]}", f"sk-…{admin_key.secret[-4:]}"]


async def test_admin_keys_stand_apart_from_organizations(directory: Directory, admin: Principal) -> None:
    organization = await directory.create_organization(admin, "acme")
    key = await directory.create_admin_key(admin, "ops")
    assert key.secret.startswith("sk-admin-")
    assert (key.api_key.organization_id, key.api_key.project_id) == (None, None)
    assert await directory.list_keys(admin, organization.id) == []
    assert await directory.list_admin_keys(admin) == [key.api_key]


async def test_bootstrap_makes_everything_once(open_database: Callable[[], Database], admin: Principal) -> None:
    secret, admin_secret = new_secret(), new_secret(admin=True)
    databases = [open_database() for _ in range(3)]
    made = await asyncio.gather(*(bootstrap.ensure_organization(d, "dev", secret) for d in databases for _ in range(3)))
    admins = await asyncio.gather(*(bootstrap.ensure_admin_key(d, admin_secret) for d in databases for _ in range(3)))
    assert len({(organization.id, key.id) for organization, key in made}) == 1
    organization, key = made[0]
    assert key.organization_id == organization.id
    directory = Directory(databases[0])
    assert await directory.list_organizations(admin) == [organization]
    assert await directory.list_keys(admin, organization.id) == [key]
    assert await directory.list_admin_keys(admin) == [admins[0]] == admins[-1:]


async def test_bootstrap_refuses_revoked_foreign_and_shapeless_secrets(database: Database, admin: Principal) -> None:
    secret, admin_secret = new_secret(), new_secret(admin=True)
    _, key = await bootstrap.ensure_organization(database, "dev", secret)
    await bootstrap.ensure_admin_key(database, admin_secret)
    with pytest.raises(Conflict):
        await bootstrap.ensure_organization(database, "another", secret)
    with pytest.raises(Conflict):
        await bootstrap.ensure_organization(database, "another", admin_secret)
    with pytest.raises(Conflict):
        await bootstrap.ensure_admin_key(database, secret)
    with pytest.raises(ValueError, match="sk-"):
        await bootstrap.ensure_admin_key(database, "password")
    await Directory(database).revoke_key(admin, key.id)
    with pytest.raises(Conflict):
        await bootstrap.ensure_organization(database, "dev", secret)
    assert [o.name for o in await Directory(database).list_organizations(admin)] == ["dev"]
