"""What a transaction promises on both databases."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from cluster.config.settings.database import DatabaseSettings
from cluster.errors import StoreUnavailable
from cluster.store.database import Database
from cluster.store.tables import OrganizationRow

pytestmark = pytest.mark.integration

INSERT = text("INSERT INTO organizations (id, name, created_at) VALUES (:id, :id, 0)")
COUNT = text("SELECT count(*) FROM organizations")


async def count(database: Database) -> int:
    async with database.session() as session:
        return int((await session.execute(COUNT)).scalar_one())


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(INSERT, {"id": "a"})
    assert await count(database) == 1


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def fail_halfway() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT, {"id": "a"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_halfway()
    assert await count(database) == 0


async def test_a_cancelled_transaction_leaves_nothing_and_frees_the_writer(database: Database) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT, {"id": "a"})
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(3):
        async with database.transaction() as session:
            await session.execute(INSERT, {"id": "b"})
    assert await count(database) == 1


async def test_writes_of_a_reading_session_are_not_kept(database: Database) -> None:
    async with database.session() as session:
        await session.execute(INSERT, {"id": "a"})
    assert await count(database) == 0


async def test_a_violated_constraint_is_no_store_error(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(INSERT, {"id": "a"})
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            await session.execute(INSERT, {"id": "a"})
    assert "parameters" not in str(caught.value).lower() or "hidden" in str(caught.value).lower()


async def test_references_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await session.execute(
                text("INSERT INTO projects (id, org_id, name, is_default, created_at) VALUES ('p', 'nobody', 'p', true, 0)")
            )


async def test_writers_of_several_gateways_wait_for_each_other(open_database: Callable[[], Database]) -> None:
    databases = [open_database() for _ in range(3)]

    async def write(index: int) -> None:
        async with databases[index % 3].transaction() as session:
            await session.execute(COUNT)
            await session.execute(INSERT, {"id": f"org {index}"})

    await asyncio.gather(*(write(index) for index in range(60)))
    assert await count(databases[0]) == 60


async def test_sqlite_is_durable_and_private(fresh_sqlite_url: str) -> None:
    database = Database.open(fresh_sqlite_url, DatabaseSettings())
    async with database.session() as session:
        assert (await session.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
        assert (await session.execute(text("PRAGMA synchronous"))).scalar_one() == 2
        assert (await session.execute(text("PRAGMA foreign_keys"))).scalar_one() == 1
    path = Path(fresh_sqlite_url.split(":///")[1])
    for file in path.parent.glob(f"{path.name}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    await database.close()


async def test_wrong_password_is_a_store_error_without_the_password(postgres_url: str) -> None:
    database = Database.open(postgres_url.replace("://ossature:", "://ossature:wrong-"), DatabaseSettings())
    with pytest.raises(StoreUnavailable) as caught:
        await count(database)
    assert "wrong-" not in str(caught.value)
    assert caught.value.status == 503
    assert caught.value.retry_after_s is not None
    await database.close()


async def test_a_statement_that_takes_too_long_is_a_store_error(fresh_postgres_url: str) -> None:
    database = Database.open(fresh_postgres_url, DatabaseSettings(timeout_s=1.0))
    with pytest.raises(StoreUnavailable):
        async with database.session() as session:
            await session.execute(text("SELECT pg_sleep(20)"))
    assert await count(database) == 0
    await database.close()


async def test_no_free_connection_in_time_is_a_store_error(database_url: str) -> None:
    database = Database.open(database_url, DatabaseSettings(timeout_s=0.5, pool_size=1))
    async with database.session() as session:
        await session.execute(COUNT)
        with pytest.raises(StoreUnavailable):
            await count(database)
    assert await count(database) == 0
    await database.close()


async def test_a_prepared_question_is_answered_anew_each_time(database: Database) -> None:
    question = database.scalar_query(select(func.count()).select_from(OrganizationRow))
    assert await question.value() == 0
    async with database.transaction() as session:
        await session.execute(INSERT, {"id": "a"})
    assert await question.value() == 1
    await question.close()
    await question.close()


@contextmanager
def a_folder_in_its_place(path: Path) -> Iterator[None]:
    hidden = path.rename(path.with_name("hidden"))
    path.mkdir()
    yield
    path.rmdir()
    hidden.rename(path)


async def test_a_prepared_question_outlives_a_failure(fresh_sqlite_url: str) -> None:
    database = Database.open(fresh_sqlite_url, DatabaseSettings(timeout_s=0.1))
    question = database.scalar_query(select(func.count()).select_from(OrganizationRow))
    with a_folder_in_its_place(Path(fresh_sqlite_url.split(":///")[1])), pytest.raises(StoreUnavailable):
        await question.value()
    assert await question.value() == 0
    await question.close()
    await database.close()
