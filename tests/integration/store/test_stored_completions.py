"""Stored completions on both databases: durable when acknowledged, purged once, found through their indexes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from cluster.completions.capture import Asked
from cluster.completions.keeper import CompletionKeeper
from cluster.completions.purge import RetentionPurger
from cluster.completions.service import Filter, PageQuery, StoredCompletions
from cluster.completions.stored_usage import StoredUsage
from cluster.config.settings.storage import StoredCompletionsSettings
from cluster.errors import NotFound
from cluster.identity.principal import Principal
from cluster.store.database import Database
from cluster.store.group_commit import GroupCommit
from cluster.store.tables import StoredCompletionRow, StoredCompletionTagRow
from cluster.telemetry.storage_metrics import StorageMetrics
from tests.unit.storage.served import ACME, GLOBEX, Served

pytestmark = pytest.mark.integration

SETTINGS = StoredCompletionsSettings()
BODY = b'{"id":"x","object":"chat.completion","created":1,"model":"demo","choices":[]}'


class Store:
    """What one gateway has for stored completions."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        metrics = StorageMetrics(registry=self.registry)
        self.commits = GroupCommit(database, [StoredCompletionRow, StoredCompletionTagRow])
        self.commits.start()
        usage = StoredUsage(database, SETTINGS)
        self.keeper = CompletionKeeper(self.commits, self.commits, usage, SETTINGS, metrics, now)
        self.completions = StoredCompletions(database, SETTINGS, now)
        self.purger = RetentionPurger(database, SETTINGS, metrics, now)

    async def keep(self, number: int, principal: Principal = ACME, **metadata: str) -> str:
        completion_id = f"chatcmpl-{number:032x}"
        kept = self.keeper.keep(
            principal,
            completion_id=completion_id,
            request_id="req",
            model="demo",
            asked=Asked({"messages": [{"role": "user", "content": "Hi"}]}, metadata),
            answer=BODY,
            usage=b"{}",
        )
        assert await kept.outcome() is None
        return completion_id

    async def ids(self, principal: Principal = ACME, **metadata: str) -> list[str]:
        page = await self.completions.page(principal, Filter(metadata=metadata), PageQuery(limit=100))
        return [name for name, _ in page.items]


async def test_gateways_store_and_list_side_by_side(open_database: Callable[[], Database]) -> None:
    stores = [Store(open_database()) for _ in range(3)]
    stored = await asyncio.gather(*(stores[number % 3].keep(number, task=str(number % 2)) for number in range(60)))
    for store in stores:
        assert sorted(await store.ids()) == sorted(stored)
        assert sorted(await store.ids(task="1")) == sorted(stored[1::2])
        assert await store.ids(GLOBEX) == []
        await store.commits.close()


async def test_each_completion_is_purged_and_counted_by_one_of_several_gateways(open_database: Callable[[], Database]) -> None:
    clock = time.time()
    stores = [Store(open_database(), lambda: clock) for _ in range(3)]
    await asyncio.gather(*(stores[0].keep(number, task="a") for number in range(450)))
    clock += SETTINGS.retention_s + 1
    young = await stores[0].keep(1000, task="a")
    assert await stores[0].ids() == [young]
    purged = 0
    while True:
        counts = await asyncio.gather(*(store.purger.purge() for store in stores))
        purged += sum(counts)
        if not any(counts):
            break
    assert purged == 450
    assert await stores[1].ids(task="a") == [young]
    counted = [store.registry.get_sample_value("ossature_stored_completions_purged_total") for store in stores]
    assert sum(count or 0 for count in counted) == 450
    for store in stores:
        await store.commits.close()


async def test_changing_and_deleting_at_once_leaves_no_pair_behind(
    open_database: Callable[[], Database], database: Database
) -> None:
    store = Store(open_database())
    completion_id = await store.keep(1, a="0")
    changes = [store.completions.update(ACME, completion_id, {"a": str(number), f"k{number}": "v"}) for number in range(10)]
    outcomes = await asyncio.gather(*changes, store.completions.delete(ACME, completion_id), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, bytes | NotFound) for outcome in outcomes)
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM stored_completion_tags"))).scalar_one() == 0
    await store.commits.close()


async def test_concurrent_changes_leave_the_pairs_of_one_of_them(open_database: Callable[[], Database]) -> None:
    store = Store(open_database())
    completion_id = await store.keep(1)
    await asyncio.gather(*(store.completions.update(ACME, completion_id, {"a": str(number)}) for number in range(10)))
    found = [number for number in range(10) if await store.ids(a=str(number))]
    assert len(found) == 1
    assert b'"metadata":{"a":"%d"}' % found[0] in await store.completions.get(ACME, completion_id)
    await store.commits.close()


async def test_a_scan_sees_all_of_its_moment_in_order(open_database: Callable[[], Database]) -> None:
    store = Store(open_database())
    stored = [await store.keep(number) for number in range(120)]
    for order, expected in (("asc", stored), ("desc", stored[::-1])):
        seen: list[str] = []
        async for some in store.completions.scan(ACME, Filter(), order):  # type: ignore[arg-type]
            assert len(some) <= 50
            seen += [each.id for each in some]
        assert seen == expected
    limited = [each.id async for some in store.completions.scan(ACME, Filter(), limit=70) for each in some]
    assert limited == stored[:70]
    await store.commits.close()


async def test_what_was_acknowledged_survives_sigkill(database_url: str, database: Database) -> None:
    """The child answers streams that are to be stored, prints a line for each that has ended, and is killed among them."""
    program = f"""
import asyncio, sys, tempfile
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call
from tests.unit.storage.served import ACME, Served

FIELDS = dict(model="demo", messages=[dict(role="user", content="Hi")], stream=True, store=True, metadata=dict(a="b"))

async def client(served):
    while True:
        request = ChatCompletionRequest.parse(FIELDS, limits=RequestLimits(store=True))
        stream = await served.inference.stream(ACME, request, Call("http", "req"))
        chunks = [chunk async for batch in stream for chunk in batch]
        assert not any(b"warnings" in chunk for chunk in chunks)
        print(stream.request_id, flush=True)

async def main():
    async with Served(Path(tempfile.mkdtemp()), database_url={database_url!r}).inside() as served:
        await asyncio.gather(*(client(served) for _ in range(8)))

asyncio.run(main())
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(100)]
    child.kill()
    acknowledged += [line for line in (await child.stdout.read()).decode().split("\n")[:-1] if line]
    await child.wait()
    assert all(acknowledged)
    completions = StoredCompletions(database, SETTINGS)
    for completion_id in acknowledged:
        assert b"Hello there." in await completions.get(ACME, completion_id)
    async with database.session() as session:
        whole = "SELECT count(*) FROM stored_completions c JOIN stored_completion_tags t ON t.completion_id = c.id"
        stored = (await session.execute(text("SELECT count(*) FROM stored_completions"))).scalar_one()
        assert (await session.execute(text(whole))).scalar_one() == stored, "a completion without its pairs"


async def test_lists_are_read_through_their_indexes(database: Database, dialect: str) -> None:
    """A filter must not read all that a project has stored."""
    if dialect != "sqlite":
        pytest.skip("PostgreSQL chooses by what is in the tables; its plan says nothing while they are empty")
    completions = StoredCompletions(database, SETTINGS)
    for wanted in (Filter(), Filter("demo"), Filter(metadata={"a": "1"}), Filter("demo", {"a": "1", "b": "2"})):
        query, key = completions._matching(ACME, wanted)
        sql = str(query.add_columns(*key).order_by(*key).compile(compile_kwargs={"literal_binds": True}))
        async with database.session() as session:
            plan = [row[3] for row in (await session.execute(text(f"EXPLAIN QUERY PLAN {sql}"))).all()]
        assert all(step.startswith("SEARCH") for step in plan), plan
        assert not any("TEMP B-TREE" in step for step in plan), plan


async def test_an_answer_and_its_copy_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cluster.inference.requests.chat import ChatCompletionRequest
    from cluster.inference.requests.limits import RequestLimits
    from cluster.inference.service import Call

    async with Served(tmp_path).inside() as served:
        groups: list[list[str]] = []
        write = served.storage.commits._bulk.write

        async def counted(rows: list[tuple[str, list[object]]]) -> None:
            groups.append([table for table, _ in rows])
            await write(rows)  # type: ignore[arg-type]

        monkeypatch.setattr(served.storage.commits._bulk, "write", counted)
        body = b'{"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "store": true, "metadata": {"a": "b"}}'
        request = ChatCompletionRequest.parse(body, limits=RequestLimits(store=True))
        await served.inference.complete(ACME, request, Call("http", "req"))
    assert groups == [["usage_ledger", "stored_completions", "stored_completion_tags"]]
