"""The schema: made by migrations alone, the same as the tables in code, safe when many processes start."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from cluster.config.settings.database import DatabaseSettings
from cluster.errors import StoreUnavailable
from cluster.store import eval_tables
from cluster.store.database import Database
from cluster.store.schema import upgrade
from cluster.store.tables import Base

pytestmark = pytest.mark.integration


EVAL_TABLES = eval_tables.EvalRow.metadata
"""They are defined beside the others: their module must have been imported."""


def _differences(connection: Connection) -> list[object]:
    assert EVAL_TABLES is Base.metadata
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


async def test_migrations_make_exactly_the_tables_in_code(database: Database) -> None:
    async with database.session() as session:
        connection = await session.connection()
        assert await connection.run_sync(_differences) == []


async def test_partial_index_and_checks_exist_where_autogeneration_does_not_look(database: Database) -> None:
    project = "INSERT INTO projects (id, org_id, name, is_default, created_at) VALUES ('{id}', 'org_a', '{id}', {default}, 0)"
    key = (
        "INSERT INTO api_keys (id, org_id, admin, name, secret_hash, hint, created_at, revision)"
        " VALUES ('key_a', 'org_a', true, 'n', '{hash}', 'abcd', 0, 0)"
    )
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO organizations (id, name, created_at) VALUES ('org_a', 'a', 0)"))
        await session.execute(text(project.format(id="proj_a", default="true")))
        await session.execute(text(project.format(id="proj_b", default="false")))
        await session.execute(text(project.format(id="proj_c", default="false")))
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with database.transaction() as session:
            await session.execute(text(project.format(id="proj_d", default="true")))
    with pytest.raises(Exception, match="ck_api_keys_scope"):
        async with database.transaction() as session:
            await session.execute(text(key.format(hash="x")))


async def test_upgrading_again_changes_nothing(database_url: str, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO organizations (id, name, created_at) VALUES ('org_a', 'kept', 0)"))
    await upgrade(database_url)
    async with database.session() as session:
        assert (await session.execute(text("SELECT name FROM organizations"))).scalars().all() == ["kept"]
        assert (await session.execute(text("SELECT value FROM revisions"))).scalars().all() == [0]


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    program = "import asyncio, sys; from cluster.store.schema import upgrade; asyncio.run(upgrade(sys.argv[1]))"
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_url, cwd=Path(__file__).parents[3], stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in started))
    assert [process.returncode for process in started] == [0] * 2, [stderr.decode() for _, stderr in ends]
    database = Database.open(empty_url, DatabaseSettings())
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM revisions"))).scalar_one() == 1
    await database.close()


async def test_many_upgrades_in_one_process_do_not_collide(empty_url: str) -> None:
    await asyncio.gather(*(upgrade(empty_url) for _ in range(8)))


async def test_a_failed_migration_leaves_nothing_behind(empty_url: str) -> None:
    database = Database.open(empty_url, DatabaseSettings())
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE revisions (obstacle integer)"))
    with pytest.raises(Exception, match=r"(?i)exists"):
        await upgrade(empty_url)
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE revisions"))
    await upgrade(empty_url)
    await database.close()


async def test_waiting_for_a_lock_too_long_is_a_store_error(empty_url: str, dialect: str) -> None:
    lock = "SELECT pg_advisory_xact_lock(1869837153)" if dialect == "postgresql" else "SELECT 1"
    database = Database.open(empty_url, DatabaseSettings())
    async with database.transaction() as session:
        await session.execute(text(lock))
        with pytest.raises(StoreUnavailable):
            await upgrade(empty_url, timeout_s=0.3)
    await database.close()
