"""Writes that share commits: durable together, failing apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from cluster.errors import StoreUnavailable
from cluster.store.database import Database
from cluster.store.frequent import TableRows
from cluster.store.group_commit import GroupCommit, Write, WriteRefused
from cluster.store.tables import StoredCompletionRow, StoredCompletionTagRow, UsageRow
from tests.integration.store.test_ledger import entry

pytestmark = pytest.mark.integration

TABLES = (UsageRow, StoredCompletionRow, StoredCompletionTagRow)


def usage() -> Write:
    return Write("usage", entry().table_rows)


def completion(name: str, *, model: str = "m", tags: int = 1) -> Write:
    row: dict[str, object] = {
        "id": name,
        "org_id": "o",
        "project_id": "p",
        "key_id": "k",
        "model": model,
        "created_us": 1,
        "size_bytes": 1,
        "metadata_json": b"{}",
        "request": b"{}",
        "response": b"{}",
    }
    scope = {"completion_id": name, "org_id": "o", "project_id": "p", "created_us": 1, "value": "v"}
    tagged: TableRows = [("stored_completion_tags", [{**scope, "key": f"k{number}"} for number in range(tags)])]
    return Write("completion", lambda: [*tagged, ("stored_completions", [row])])


async def counted(database: Database, table: str) -> int:
    async with database.session() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_rows_of_several_tables_are_written_in_the_order_that_they_refer_to_one_another(
    open_database: Callable[[], Database], database: Database
) -> None:
    commits = GroupCommit(open_database(), TABLES)
    commits.start()
    await asyncio.gather(
        *(commits.submit(completion(f"c{number}", tags=number % 3)) for number in range(30)), commits.submit(usage())
    )
    await commits.close()
    assert await counted(database, "stored_completions") == 30
    assert await counted(database, "stored_completion_tags") == 30
    assert await counted(database, "usage_ledger") == 1


async def test_what_one_kind_does_wrong_costs_no_other_kind(open_database: Callable[[], Database], database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE stored_completions RENAME TO hidden"))
    commits = GroupCommit(open_database(), TABLES)
    commits.start()
    outcomes = await asyncio.gather(
        *(commits.submit(write) for write in (usage(), completion("a"), usage())), return_exceptions=True
    )
    await commits.close()
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreUnavailable, type(None)]
    assert await counted(database, "usage_ledger") == 2


async def test_a_write_that_refuses_or_fails_to_make_its_rows_is_alone_in_that(
    open_database: Callable[[], Database], database: Database
) -> None:
    def refuse() -> TableRows:
        raise WriteRefused("too much")

    def fail() -> TableRows:
        raise ValueError("a defect")

    commits = GroupCommit(open_database(), TABLES)
    commits.start()
    for size_bytes in (0, 1 << 20):  # made on the loop, made in a thread
        writes = (usage(), Write("completion", refuse, size_bytes), Write("completion", fail), usage())
        outcomes = await asyncio.gather(*(commits.submit(write) for write in writes), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), WriteRefused, StoreUnavailable, type(None)]
    await commits.close()
    assert await counted(database, "usage_ledger") == 4


async def test_what_was_written_before_stays_as_it_is(open_database: Callable[[], Database], database: Database) -> None:
    commits = GroupCommit(open_database(), TABLES)
    commits.start()
    await commits.submit(completion("a", model="first"))
    await commits.submit(completion("a", model="second", tags=2))
    await commits.close()
    async with database.session() as session:
        assert (await session.execute(text("SELECT model FROM stored_completions"))).scalars().all() == ["first"]


async def test_closed_it_takes_nothing(database: Database) -> None:
    commits = GroupCommit(database, TABLES)
    with pytest.raises(StoreUnavailable):
        commits.submit(usage())
    commits.start()
    waiting = commits.submit(usage())
    await commits.close()
    await waiting
    with pytest.raises(StoreUnavailable):
        commits.submit(usage())
