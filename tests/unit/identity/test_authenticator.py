"""What the authenticator does before and without the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select, text, update

from cluster.config.settings.database import DatabaseSettings
from cluster.config.settings.identity import IdentitySettings
from cluster.errors import Overloaded, Unauthenticated
from cluster.identity import bootstrap, last_used
from cluster.identity.authenticator import MAX_PENDING_LOOKUPS, Authenticator
from cluster.identity.secrets import new_secret
from cluster.store.database import Database
from cluster.store.schema import upgrade
from cluster.store.tables import ApiKeyRow, RevisionRow


class CountingDatabase(Database):
    sessions = 0

    def session(self):  # type: ignore[no-untyped-def]
        self.sessions += 1
        return super().session()


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[CountingDatabase]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'cluster.db'}"
    await upgrade(url)
    opened = CountingDatabase.open(url, DatabaseSettings())
    assert isinstance(opened, CountingDatabase)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def authenticator(database: CountingDatabase) -> AsyncIterator[Authenticator]:
    # Without start(): no task of its own reads the database while a test counts.
    made = Authenticator(database, IdentitySettings())
    await made._watch_once()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def secret(database: CountingDatabase) -> str:
    secret = new_secret()
    await bootstrap.ensure_organization(database, "acme", secret)
    return secret


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "Bearer",
        "sk-",
        "password",
        "sk-" + "a" * 100_000,
        "sk-\x00" + "a" * 48,
        "sk-" + "\ud800" * 48,
        "sk-' OR '1'='1' --xxxxx",
    ],
)
async def test_missing_and_malformed_keys_are_refused_without_the_database(
    authenticator: Authenticator, database: CountingDatabase, bad: str | None
) -> None:
    before = database.sessions
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(bad)
    assert database.sessions == before
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    if bad and len(bad) > 10:
        assert bad not in caught.value.message


async def test_an_unknown_key_is_not_echoed_and_asked_for_once(authenticator: Authenticator, database: CountingDatabase) -> None:
    unknown = new_secret()
    before = database.sessions
    for _ in range(50):
        with pytest.raises(Unauthenticated) as caught:
            await authenticator.authenticate(unknown)
        assert unknown[3:] not in str(caught.value.body())
    assert database.sessions == before + 1


async def test_a_known_key_costs_no_database_and_no_turn_of_the_loop(
    authenticator: Authenticator, database: CountingDatabase, secret: str
) -> None:
    await authenticator.authenticate(secret)
    before = database.sessions
    call = authenticator.authenticate(secret)
    with pytest.raises(StopIteration) as finished:
        call.send(None)  # runs to its end without suspending
    assert finished.value.value.org_id.startswith("org_")
    assert database.sessions == before


async def test_requests_that_arrive_together_share_one_lookup(
    authenticator: Authenticator, database: CountingDatabase, secret: str
) -> None:
    before = database.sessions
    principals = await asyncio.gather(*(authenticator.authenticate(secret) for _ in range(100)))
    assert len(set(principals)) == 1
    assert database.sessions == before + 1


async def test_a_caller_that_goes_away_does_not_fail_those_who_wait_with_it(authenticator: Authenticator, secret: str) -> None:
    first = asyncio.create_task(authenticator.authenticate(secret))
    second = asyncio.create_task(authenticator.authenticate(secret))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).org_id
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_flood_of_invented_keys_is_cut_off(authenticator: Authenticator) -> None:
    calls = (authenticator.authenticate(new_secret()) for _ in range(MAX_PENDING_LOOKUPS + 50))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 50
    assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == MAX_PENDING_LOOKUPS


async def test_before_its_start_nobody_is_let_in(database: CountingDatabase, secret: str) -> None:
    with pytest.raises(Overloaded):
        await Authenticator(database, IdentitySettings()).authenticate(secret)


async def test_a_watch_that_stopped_lets_nobody_in_after_the_grace_period(database: CountingDatabase, secret: str) -> None:
    now_s = 100.0
    authenticator = Authenticator(database, IdentitySettings(outage_grace_s=30), clock=lambda: now_s)
    await authenticator._watch_once()
    await authenticator.authenticate(secret)
    now_s = 130.5
    await authenticator.authenticate(secret)
    now_s = 131.5
    with pytest.raises(Overloaded) as caught:
        await authenticator.authenticate(secret)
    assert caught.value.retry_after_s is not None
    await authenticator._watch_once()
    await authenticator.authenticate(secret)


async def test_the_watch_and_the_writer_outlive_tables_that_are_away(
    database: CountingDatabase, secret: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As while PostgreSQL's tables are restored under a running cluster: no outage of the database, and no end of the gateway."""
    monkeypatch.setattr(last_used, "WRITE_INTERVAL_S", 0.01)
    authenticator = Authenticator(database, IdentitySettings(poll_interval_s=0.05))
    await authenticator.start()
    try:
        principal = await authenticator.authenticate(secret)
        for table in (ApiKeyRow.__tablename__, RevisionRow.__tablename__):
            await rename(database, table, f"{table}_away")
        await authenticator.authenticate(secret)
        failed = {last_used.__name__, Authenticator.__module__}
        async with asyncio.timeout(10):
            while {record.name for record in caplog.records if record.exc_info} != failed:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
        contact = authenticator._last_contact
        for table in (ApiKeyRow.__tablename__, RevisionRow.__tablename__):
            await rename(database, f"{table}_away", table)
        await authenticator.authenticate(secret)
        async with asyncio.timeout(10):
            while authenticator._last_contact == contact or await used_at(database, principal.key_id) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await authenticator.close()


async def rename(database: Database, table: str, name: str) -> None:
    async with database.transaction() as session:
        await session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


async def used_at(database: Database, key_id: str) -> int | None:
    async with database.session() as session:
        return await session.scalar(select(ApiKeyRow.last_used_at).where(ApiKeyRow.id == key_id))


async def test_no_task_is_left_after_closing(database: CountingDatabase, secret: str) -> None:
    before = asyncio.all_tasks()
    authenticator = Authenticator(database, IdentitySettings())
    await authenticator.start()
    await authenticator.authenticate(secret)
    lookup = asyncio.create_task(authenticator.authenticate(new_secret()))
    await asyncio.sleep(0)
    await authenticator.close()
    await authenticator.close()
    await asyncio.gather(lookup, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_holder_of_a_key_is_told_by_its_id_until_it_is_revoked(
    authenticator: Authenticator, database: CountingDatabase, secret: str
) -> None:
    known = await authenticator.authenticate(secret)
    assert await authenticator.holder(known.key_id) == known
    with pytest.raises(Unauthenticated):
        await authenticator.holder("key_unknown")
    async with database.session() as session:
        await session.execute(update(ApiKeyRow).values(revoked_at=1))
        await session.commit()
    with pytest.raises(Unauthenticated):
        await authenticator.holder(known.key_id)
