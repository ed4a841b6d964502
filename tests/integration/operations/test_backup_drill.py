"""The drill: make data, back it up, destroy it, restore it, and see that everything is there. On both databases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from cluster.config.schema import ClusterConfig
from cluster.errors import Conflict
from cluster.identity import bootstrap
from cluster.identity.audit import AT_COMMAND_LINE, AuditFilter, AuditLog
from cluster.identity.authenticator import Authenticator
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.identity.secrets import new_secret
from cluster.runtime.backup.create import create
from cluster.runtime.backup.manifest import BackupError, Wanted
from cluster.runtime.backup.restore import restore
from cluster.runtime.preparation import database_url, prepare
from cluster.store.database import Database
from cluster.store.objects.folder import FolderStorage
from cluster.store.revision import newest_revision, schema_state
from cluster.store.schema import upgrade

pytestmark = pytest.mark.integration

ADMIN = Principal(org_id="", project_id="", key_id="key_" + "0" * 32, admin=True)
CONTENT = b"line\n" * 100_000
EVERYTHING = Wanted(objects=True, secrets=True)


@pytest.fixture
def config(empty_url: str, dialect: str, tmp_path: Path) -> ClusterConfig:
    url = empty_url if dialect == "postgresql" else None
    model = {"id": "m", "source": "org/model"}
    return prepare(ClusterConfig.model_validate({"data_dir": tmp_path / "data", "database": {"url": url}, "models": [model]}))


async def written(config: ClusterConfig, name: str, secret: str) -> None:
    """An organization with a key, a file, and rows that grow too large for one page."""
    await upgrade(database_url(config))
    database = Database.open(database_url(config), config.database)
    await bootstrap.ensure_organization(database, name, secret)
    await database.close()
    writer = await FolderStorage(config.data_dir / "files").create(f"{name}/file")
    await writer.write(CONTENT)
    await writer.commit()


async def organizations(config: ClusterConfig) -> list[str]:
    database = Database.open(database_url(config), config.database)
    try:
        return sorted(organization.name for organization in await Directory(database).list_organizations(ADMIN))
    finally:
        await database.close()


async def lets_in(config: ClusterConfig, secret: str) -> bool:
    database = Database.open(database_url(config), config.database)
    authenticator = Authenticator(database, config.identity)
    await authenticator.start()
    try:
        return bool((await authenticator.authenticate(secret)).org_id)
    finally:
        await authenticator.close()
        await database.close()


async def destroy(config: ClusterConfig) -> None:
    if config.database.url is not None and "postgresql" in database_url(config):
        database = Database.open(database_url(config), config.database)
        async with database.transaction() as session:
            await session.execute(text("DROP SCHEMA public CASCADE"))
            await session.execute(text("CREATE SCHEMA public"))
        await database.close()
    shutil.rmtree(config.data_dir)


async def test_what_was_backed_up_is_there_again_after_everything_is_lost(config: ClusterConfig, tmp_path: Path) -> None:
    secret = new_secret()
    await written(config, "acme", secret)
    cluster_secret = (config.data_dir / "cluster-secret").read_text()
    manifest = await create(config, tmp_path / "backup.tar", EVERYTHING)
    assert manifest.schema_revision == newest_revision()
    assert manifest.to_json() | {"objects": 1, "secrets": 1} == manifest.to_json()
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0

    await destroy(config)
    await restore(config, tmp_path / "backup.tar")

    assert await organizations(config) == ["acme"]
    assert await lets_in(config, secret)
    assert (config.data_dir / "files/acme/file").read_bytes() == CONTENT
    assert (config.data_dir / "cluster-secret").read_text() == cluster_secret
    assert (config.data_dir / "cluster-secret").stat().st_mode & 0o077 == 0
    assert (await schema_state(database_url(config), 5.0)).up_to_date


async def test_a_restore_is_in_the_audit_log_which_stays_append_only(config: ClusterConfig, tmp_path: Path) -> None:
    await written(config, "acme", new_secret())
    await create(config, tmp_path / "backup.tar", EVERYTHING)
    await destroy(config)
    await restore(config, tmp_path / "backup.tar")
    database = Database.open(database_url(config), config.database)
    page = await AuditLog(database).list_events(ADMIN, AuditFilter(actor=AT_COMMAND_LINE), after=None, limit=10)
    assert [event.action for event in page.events] == ["restore_backup"]
    with pytest.raises(Exception, match="never changed or deleted"):
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM audit_events"))
    with pytest.raises(Conflict):
        await Directory(database).create_organization(ADMIN, "acme")
    await database.close()


async def test_a_restore_over_data_is_refused_and_leaves_it_as_it_is(config: ClusterConfig, tmp_path: Path) -> None:
    await written(config, "acme", new_secret())
    await create(config, tmp_path / "backup.tar", EVERYTHING)
    await written(config, "later", new_secret())
    with pytest.raises(BackupError, match="there is data already"):
        await restore(config, tmp_path / "backup.tar")
    assert await organizations(config) == ["acme", "later"]
    assert (config.data_dir / "files/later/file").exists()


async def test_a_forced_restore_brings_the_earlier_state_back(config: ClusterConfig, tmp_path: Path) -> None:
    await written(config, "acme", new_secret())
    await create(config, tmp_path / "backup.tar", EVERYTHING)
    await written(config, "later", new_secret())
    await restore(config, tmp_path / "backup.tar", force=True)
    assert await organizations(config) == ["acme"]
    assert not (config.data_dir / "files/later").exists()
    (aside,) = (config.data_dir / "files").glob("replaced-*.d")
    assert (aside / "later/file").read_bytes() == CONTENT, "what was replaced can be had back by hand"


async def test_a_backup_of_a_database_in_use_is_of_one_moment(config: ClusterConfig, tmp_path: Path) -> None:
    await written(config, "acme", new_secret())
    database = Database.open(database_url(config), config.database)
    async with database.session() as session:
        await session.execute(text("SELECT count(*) FROM organizations"))
        await create(config, tmp_path / "backup.tar", Wanted(objects=False, secrets=False))
    await database.close()
    await destroy(config)
    await restore(config, tmp_path / "backup.tar")
    assert await organizations(config) == ["acme"]
    assert not (config.data_dir / "files").exists()
    assert not (config.data_dir / "cluster-secret").exists()


async def test_tables_of_another_program_are_not_replaced_unless_forced(config: ClusterConfig, tmp_path: Path) -> None:
    await written(config, "acme", new_secret())
    await create(config, tmp_path / "backup.tar", EVERYTHING)
    await destroy(config)
    database = Database.open(database_url(config), config.database)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(BackupError, match="the database has tables"):
        await restore(config, tmp_path / "backup.tar")
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM invoices"))).scalar_one() == 0
    await database.close()
