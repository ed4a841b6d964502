"""The usage ledger: durable when acknowledged, exact under concurrency, one organization's own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from cluster.config.settings.database import DatabaseSettings
from cluster.errors import PermissionDenied, StoreUnavailable
from cluster.identity.principal import Principal
from cluster.identity.secrets import new_id
from cluster.store.database import Database, configure_sqlite
from cluster.store.ledger import LedgerEntry, Outcome, UsageLedger, UsageTotals

pytestmark = pytest.mark.integration

ORG = "org_" + "a" * 32
OTHER = "org_" + "b" * 32
CALLER = Principal(ORG, "proj_" + "a" * 32, "key_" + "a" * 32)


def entry(**changes: object) -> LedgerEntry:
    base = LedgerEntry(
        request_id=new_id("chatcmpl"),
        org_id=ORG,
        project_id=CALLER.project_id,
        key_id=CALLER.key_id,
        model="gpt-oss-120b",
        edge="http",
        prompt_tokens=2000,
        completion_tokens=300,
        cached_tokens=1900,
        shown_cached_tokens=1792,
        status=200,
        outcome=Outcome.COMPLETED,
        started_at=1000.0,
        duration_s=1.5,
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


async def rows(database: Database) -> int:
    async with database.session() as session:
        return int((await session.execute(text("SELECT count(*) FROM usage_ledger"))).scalar_one())


@pytest_asyncio.fixture
async def ledger(open_database: Callable[[], Database]) -> AsyncIterator[UsageLedger]:
    started = UsageLedger(open_database())
    await started.start()
    yield started
    await started.close()


async def test_a_recorded_entry_is_there_for_others_as_it_was(ledger: UsageLedger, database: Database) -> None:
    written = entry(outcome=Outcome.CANCELLED, status=499, edge="grpc", duration_s=0.25)
    await ledger.record(written)
    async with database.session() as session:
        row = (await session.execute(text("SELECT * FROM usage_ledger"))).mappings().one()
    assert dict(row) == dataclasses.asdict(written)


async def test_concurrent_entries_all_arrive_in_few_commits(
    open_database: Callable[[], Database], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = open_database()
    commits = 0
    transaction = own.transaction

    def counted():  # type: ignore[no-untyped-def]
        nonlocal commits
        commits += 1
        return transaction()

    monkeypatch.setattr(own, "transaction", counted)
    ledger = UsageLedger(own)
    await ledger.start()

    async def client(count: int) -> None:
        for _ in range(count):
            await ledger.record(entry())

    await asyncio.gather(*(client(25) for _ in range(32)))
    await ledger.close()
    assert await rows(database) == 800
    assert commits <= 100


async def test_gateways_write_side_by_side(open_database: Callable[[], Database], database: Database) -> None:
    ledgers = [UsageLedger(open_database()) for _ in range(3)]
    for ledger in ledgers:
        await ledger.start()
    await asyncio.gather(*(ledgers[index % 3].record(entry()) for index in range(300)))
    for ledger in ledgers:
        await ledger.close()
    assert await rows(database) == 300


async def test_recording_a_request_again_counts_it_once(ledger: UsageLedger, database: Database) -> None:
    same = entry()
    await asyncio.gather(*(ledger.record(same) for _ in range(5)))
    await ledger.record(dataclasses.replace(same, completion_tokens=999))
    assert await rows(database) == 1
    assert (await ledger.totals(CALLER, 0, 2000)).completion_tokens == 300


async def test_an_organization_sees_its_own_usage_alone(ledger: UsageLedger, admin: Principal) -> None:
    await ledger.record(entry())
    await ledger.record(entry(started_at=1999.0, model="other"))
    await ledger.record(entry(started_at=2000.0))
    await ledger.record(entry(org_id=OTHER, prompt_tokens=7))
    assert await ledger.totals(CALLER, 1000, 2000) == UsageTotals(2, 4000, 600, 3800, 3584)
    assert await ledger.totals(CALLER, 1000, 2000, model="other") == UsageTotals(1, 2000, 300, 1900, 1792)
    assert await ledger.totals(CALLER, 0, 1000) == UsageTotals(0, 0, 0, 0, 0)
    assert (await ledger.totals(admin, 0, 3000)).requests == 4
    assert (await ledger.totals(admin, 0, 3000, org_id=OTHER)).prompt_tokens == 7
    with pytest.raises(PermissionDenied):
        await ledger.totals(CALLER, 0, 3000, org_id=OTHER)


async def test_an_entry_outlives_a_caller_that_was_cancelled(ledger: UsageLedger, database: Database) -> None:
    task = asyncio.create_task(ledger.record(entry()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.close()
    assert await rows(database) == 1


async def test_closing_writes_what_waits_and_refuses_more(open_database: Callable[[], Database], database: Database) -> None:
    ledger = UsageLedger(open_database())
    with pytest.raises(StoreUnavailable):
        await ledger.record(entry())
    await ledger.start()
    waiting = [asyncio.create_task(ledger.record(entry())) for _ in range(1200)]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(*waiting)
    assert await rows(database) == 1200
    with pytest.raises(StoreUnavailable):
        await ledger.record(entry())
    await ledger.close()


async def test_a_full_queue_makes_callers_wait_and_loses_nothing(
    open_database: Callable[[], Database], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.store.ledger.MAX_QUEUED", 10)
    ledger = UsageLedger(open_database())
    await ledger.start()
    await asyncio.gather(*(ledger.record(entry()) for _ in range(200)))
    await ledger.close()
    assert await rows(database) == 200


async def test_a_failed_write_reaches_every_caller_and_the_next_one_works(ledger: UsageLedger, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE usage_ledger RENAME TO hidden"))
    outcomes = await asyncio.gather(*(ledger.record(entry()) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE hidden RENAME TO usage_ledger"))
    await ledger.record(entry())
    assert await rows(database) == 1


async def test_a_full_disk_is_a_store_error(fresh_sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(fresh_sqlite_url, DatabaseSettings(pool_size=1))
    async with database.session() as session:
        pages = (await session.execute(text("PRAGMA page_count"))).scalar_one()

    def configure_small(connection: sqlite3.Connection) -> None:
        configure_sqlite(connection)
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    monkeypatch.setattr("cluster.store.database.configure_sqlite", configure_small)
    ledger = UsageLedger(database)
    await ledger.start()
    outcomes = await asyncio.gather(*(ledger.record(entry()) for _ in range(400)), return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert await rows(database) == 0
    await ledger.close()
    await database.close()


async def test_what_was_acknowledged_survives_sigkill(database_url: str, database: Database) -> None:
    """The child prints a line for each acknowledged entry and is killed among them."""
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.integration.store.test_ledger import entry
from cluster.config.settings.database import DatabaseSettings
from cluster.store.database import Database
from cluster.store.ledger import UsageLedger

async def main():
    ledger = UsageLedger(Database.open({database_url!r}, DatabaseSettings()))
    await ledger.start()
    async def client():
        while True:
            one = entry()
            await ledger.record(one)
            print(one.request_id, flush=True)
    await asyncio.gather(*(client() for _ in range(8)))

asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(100)]
    child.kill()
    acknowledged += [line for line in (await child.stdout.read()).decode().split("\n")[:-1] if line]
    await child.wait()
    async with database.session() as session:
        kept = set((await session.execute(text("SELECT request_id FROM usage_ledger"))).scalars())
    assert all(acknowledged)
    assert set(acknowledged) <= kept


async def test_what_could_not_be_written_follows_when_it_can(fresh_sqlite_url: str) -> None:
    """The request's answer doesn't wait for that: its caller is told at once."""
    database = Database.open(fresh_sqlite_url, DatabaseSettings(pool_size=1, timeout_s=0.2))
    waiting: list[int] = []
    ledger = UsageLedger(database, on_late=waiting.append)
    await ledger.start()
    with contextlib.closing(sqlite3.connect(fresh_sqlite_url.partition(":///")[2], isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        late = [entry() for _ in range(3)]
        for one in late:
            with pytest.raises(StoreUnavailable):
                await ledger.record(one)
        caller = asyncio.create_task(ledger.record(gone := entry()))
        await asyncio.sleep(0)
        caller.cancel()
        other.execute("ROLLBACK")
    await ledger.record(last := entry())
    async with asyncio.timeout(30):
        while waiting[-1] > 0:  # noqa: ASYNC110 - the ledger knows nothing of tests
            await asyncio.sleep(0.05)
    async with database.session() as session:
        kept = list((await session.execute(text("SELECT request_id FROM usage_ledger"))).scalars())
    assert sorted(kept) == sorted(one.request_id for one in (*late, gone, last))
    await ledger.close()
    await database.close()
