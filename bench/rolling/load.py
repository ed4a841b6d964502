"""So many short requests a second, whatever becomes of them, and long streams that follow each other. Nothing is retried.

Besides, clients that ask now and then, each on the one connection that it keeps: a proxy that was replaced meanwhile has it still.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

_REPLICA = re.compile(r"\breplica=(\S+)")
_TIMEOUT_S = 120.0
_PAUSE_S = 0.2
#: How long the clients of the short requests keep a connection that is idle, in seconds: as OpenAI's Python library does.
_KEEP_ALIVE_S = 5.0
#: Seconds between the requests of each client that keeps its connection.
IDLE_S = (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0)


@dataclass(slots=True)
class Asked:
    """One request. Times are Unix seconds. ``failure``: why it got no whole answer; ``status``: 0 without any.

    ``retry_after_s``: what a refusal has told the client to wait, in seconds. ``told``: the answer itself has said that it failed.
    """

    sent_s: float
    kind: str
    first_s: float | None = None
    end_s: float = 0.0
    status: int = 0
    replica: str | None = None
    events: int = 0
    failure: str | None = None
    retry_after_s: float | None = None
    told: bool = False

    @property
    def cut(self) -> bool:
        """Whether it has ended in the middle of its answer."""
        return self.failure is not None and self.events > 0


@dataclass(frozen=True, slots=True)
class Shape:
    """``body`` of a request, and how many pieces a whole answer has at least."""

    kind: str
    body: Mapping[str, Any]
    least_events: int


@dataclass
class Load:
    """``rate`` in requests a second; ``streams`` at a time, which may be changed meanwhile up to ``max_streams``.

    ``headers``: with an admin's key, answers name their replica.
    """

    url: str
    headers: Mapping[str, str]
    short: Shape
    long: Shape
    rate: float = 20.0
    streams: int = 4
    max_streams: int = 16
    asked: list[Asked] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def run(self, until: asyncio.Event) -> None:
        """Returns when ``until`` is set and all that was asked has ended."""
        async with self._client(aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)) as client:
            lanes = [asyncio.create_task(self._lane(client, until, number)) for number in range(self.max_streams)]
            lanes += [asyncio.create_task(self._now_and_then(until, idle_s)) for idle_s in IDLE_S]
            began_s, sent = time.monotonic(), 0
            while not until.is_set():
                due = int((time.monotonic() - began_s) * self.rate)
                for _ in range(due - sent):
                    task = asyncio.create_task(self._ask(client, self.short))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                sent = due
                await asyncio.sleep(0.5 / self.rate)
            await asyncio.gather(*lanes, *self._tasks)

    def _client(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_TIMEOUT_S)
        return aiohttp.ClientSession(self.url, connector=connector, headers=self.headers, timeout=timeout)

    async def _lane(self, client: aiohttp.ClientSession, until: asyncio.Event, number: int) -> None:
        while not until.is_set():
            if number < self.streams:
                await self._ask(client, self.long)
            # Also after one that was refused at once.
            await asyncio.sleep(_PAUSE_S)

    async def _now_and_then(self, until: asyncio.Event, idle_s: float) -> None:
        async with self._client(aiohttp.TCPConnector(limit=1, keepalive_timeout=10 * idle_s)) as client:
            while not until.is_set():
                await self._ask(client, replace(self.short, kind="idle"))
                with suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), idle_s)

    async def _ask(self, client: aiohttp.ClientSession, shape: Shape) -> None:
        asked = Asked(time.time(), shape.kind)
        self.asked.append(asked)
        body = json.dumps(shape.body).replace("NUMBER", str(next(self._numbers)))
        try:
            async with client.post("/v1/chat/completions", data=body.encode()) as answer:
                asked.status = answer.status
                if found := _REPLICA.search(answer.headers.get("x-ossature-route", "")):
                    asked.replica = found[1]
                if answer.status != 200:
                    asked.failure = f"{answer.status} {(await answer.text(errors='replace'))[:200]}"
                    told = answer.headers.get("retry-after")
                    asked.retry_after_s = float(told) if told is not None else None
                    return
                await self._read(answer, asked, shape)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            asked.failure = f"{type(error).__name__} after {asked.events} events"
        finally:
            asked.end_s = time.time()

    async def _read(self, answer: aiohttp.ClientResponse, asked: Asked, shape: Shape) -> None:
        done = False
        async for line in answer.content:
            if line.startswith(b"data: [DONE]"):
                done = True
            elif line.startswith(b'data: {"error"'):
                asked.failure, asked.told = line[:200].decode(errors="replace"), True
            elif line.startswith(b"data: "):
                if asked.first_s is None:
                    asked.first_s = time.time()
                asked.events += 1
        if asked.failure is None and not (done and asked.events >= shape.least_events):
            asked.failure = f"ended after {asked.events} events"
