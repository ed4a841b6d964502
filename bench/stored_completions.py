"""What ``store: true`` adds to a request: ``python -m bench.stored_completions [--database URL] [--requests N] [--clients N]``.

The inside of a gateway, in front of a load source that answers at once, with a real database. Batches with and without ``store``
take turns in one run, in a changing order, so that both meet the same machine. Shown is what is added to the median of a request's
time, in which is whatever else the machine does meanwhile, and to the processor time of this process, in which it is not. ``URL``:
of an empty database (PostgreSQL); without one, SQLite in a folder that is removed at the end.

A request's time without ``store`` has its row of the usage ledger in it: its answer, too, waits for that commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call
from cluster.store.schema import upgrade
from tests.unit.storage.fake_relay import FakeRelay
from tests.unit.storage.served import ACME, Served

PROMPT_BYTES = 4_000
ANSWER_TOKENS = 100
BATCH = 16
"""Requests of each kind in one turn."""


@dataclass
class Measured:
    """``times_s``: of each request. ``cpu_s``: processor time of each batch, per request, all threads."""

    times_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def body(*, store: bool, stream: bool) -> bytes:
    request: dict[str, object] = {"model": "demo", "messages": [{"role": "user", "content": "word " * (PROMPT_BYTES // 5)}]}
    return json.dumps({**request, "stream": stream, "store": store, "metadata": {"task": "bench"}}).encode()


async def timed(served: Served, *, store: bool, stream: bool) -> float:
    """Seconds from the request's bytes to the answer's end."""
    raw = body(store=store, stream=stream)
    began = time.perf_counter()
    request = ChatCompletionRequest.parse(raw, limits=RequestLimits(store=True))
    call = Call("http", "req")
    if stream:
        answer = await served.inference.stream(ACME, request, call)
        async for batch in answer:
            assert not any(b"warnings" in chunk for chunk in batch)
        await answer.aclose()
    else:
        assert b'"warnings"' not in (await served.inference.complete(ACME, request, call)).body
    return time.perf_counter() - began


async def batch(served: Served, into: Measured, *, store: bool, stream: bool, clients: int) -> None:
    async def client() -> None:
        for _ in range(BATCH // clients):
            into.times_s.append(await timed(served, store=store, stream=stream))

    began = time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    into.cpu_s.append((time.process_time() - began) / (BATCH // clients * clients))


async def measure(served: Served, *, stream: bool, requests: int, clients: int) -> dict[bool, Measured]:
    measured = {False: Measured(), True: Measured()}
    for turn in range(max(1, requests // BATCH)):
        for store in (False, True) if turn % 2 == 0 else (True, False):
            await batch(served, measured[store], store=store, stream=stream, clients=clients)
    return measured


def row(name: str, measured: dict[bool, Measured]) -> str:
    plain, stored = measured[False], measured[True]
    before, after = 1e3 * statistics.median(plain.times_s), 1e3 * statistics.median(stored.times_s)
    cpu_before, cpu_after = 1e3 * statistics.median(plain.cpu_s), 1e3 * statistics.median(stored.cpu_s)
    return (
        f"{name:<20} time {before:6.2f} → {after:6.2f} ms ({after - before:+.2f})   p90 {p90(plain):6.2f} → {p90(stored):6.2f}   "
        f"processor {cpu_before:5.2f} → {cpu_after:5.2f} ms ({cpu_after - cpu_before:+.2f})   n={len(stored.times_s)}"
    )


def p90(measured: Measured) -> float:
    """Milliseconds."""
    return 1e3 * sorted(measured.times_s)[int(0.9 * (len(measured.times_s) - 1))]


async def run(database: str | None, requests: int, clients: list[int]) -> None:
    if database is not None:
        await upgrade(database)
    with tempfile.TemporaryDirectory() as folder:
        relay = FakeRelay(words=(" word",) * ANSWER_TOKENS)
        async with Served(Path(folder), relay=relay, database_url=database).inside() as served:
            await measure(served, stream=True, requests=2 * BATCH, clients=1)
            for count in clients:
                for stream in (False, True):
                    name = f"{'stream' if stream else 'whole'}, {count} client{'s' if count > 1 else ''}"
                    print(row(name, await measure(served, stream=stream, requests=requests, clients=count)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", help="URL of an empty PostgreSQL database; default: SQLite")
    parser.add_argument("--requests", type=int, default=400, help="stored ones of each kind")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help=f"at a time, up to {BATCH}")
    options = parser.parse_args()
    asyncio.run(run(options.database, options.requests, options.clients))


if __name__ == "__main__":
    main()
