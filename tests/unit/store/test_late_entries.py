"""Rows that came too late for their request: written when it is possible, once, and never more of them kept than allowed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import pytest

from cluster.errors import StoreUnavailable
from cluster.store.late_entries import MAX_BATCH, LateEntries

RETRY_S = 0.01


class FakeDatabase:
    """``away``: nothing can be written; ``refused``: an entry with which nothing can."""

    def __init__(self) -> None:
        self.away = True
        self.refused: int | None = None
        self.rows: list[int] = []
        self.tries = 0
        self.waiting: list[int] = []

    async def write(self, entries: Sequence[int]) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.away or self.refused in entries:
            raise StoreUnavailable("away")
        self.rows += entries

    def late(self, limit: int = 10_000) -> LateEntries[int]:
        return LateEntries(self.write, limit, self.waiting.append, RETRY_S)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - asked of what knows nothing of tests
            await asyncio.sleep(RETRY_S)


async def test_what_could_not_be_written_is_when_the_database_is_back() -> None:
    database = FakeDatabase()
    late = database.late()
    for entry in range(3):
        late.add(entry)
    await until(lambda: database.tries >= 3)
    assert database.rows == []
    late.add(3)
    database.away = False
    await until(lambda: not len(late))
    assert database.rows == [0, 1, 2, 3]
    assert database.waiting == [1, 2, 3, 4, 0]


async def test_it_begins_again_after_a_while_without_any() -> None:
    database = FakeDatabase()
    database.away = False
    late = database.late()
    for entry in range(2):
        late.add(entry)
        await until(lambda: not len(late))
    assert database.rows == [0, 1]


async def test_an_entry_that_cannot_be_written_holds_up_no_others() -> None:
    database = FakeDatabase()
    database.away, database.refused = False, 0
    late = database.late()
    for entry in range(2 * MAX_BATCH):
        late.add(entry)
    await until(lambda: len(database.rows) == 2 * MAX_BATCH - 1)
    assert sorted(database.rows) == list(range(1, 2 * MAX_BATCH))
    assert len(late) == 1
    await late.close()


async def test_no_more_than_the_limit_are_kept_and_the_log_has_the_others(caplog: pytest.LogCaptureFixture) -> None:
    late = FakeDatabase().late(limit=2)
    for entry in range(70, 73):
        late.add(entry)
    assert len(late) == 2
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line == "not kept for the usage ledger, for 2 rows wait already: 72"
    await late.close()


async def test_closing_tries_once_more() -> None:
    database = FakeDatabase()
    late = LateEntries(database.write, 10, database.waiting.append, retry_s=3600)
    late.add(1)
    database.away = False
    await late.close()
    assert database.rows == [1]
    await late.close()


async def test_closing_without_a_database_says_how_many_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    late = FakeDatabase().late()
    late.add(1)
    await late.close()
    assert "1 rows of the usage ledger were not written; each is above in this log" in caplog.text
    late.add(2)
    assert len(late) == 1, "nothing is kept by what is closed"
