"""A load generator for streamed chat completions over HTTP/1.1: so many requests in flight, at a cost that leaves the machine free.

It reads what the measurements need (first event, events, the closing usage, the end) from the raw bytes and keeps none of them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

_EVENT = b"data: {"
_DONE = b"data: [DONE]"
_LAST_CHUNK = b"0\r\n\r\n"
_USAGE = re.compile(rb'"completion_tokens":\s*(\d+)')
_CACHED = re.compile(rb'"cached_tokens":\s*(\d+)')
_PROMPT = re.compile(rb'"prompt_tokens":\s*(\d+)')
#: As much of an answer's end as holds the usage chunk, whatever else a program puts there.
_TAIL_BYTES = 4096


class Refused(Exception):
    """An answer that is not a stream: its status and the beginning of its body."""


@dataclass(slots=True)
class Sample:
    """One request. Times in seconds of ``time.perf_counter``; token counts are the server's own, 0 where it told none."""

    sent_s: float
    first_s: float = 0.0
    end_s: float = 0.0
    events: int = 0
    completion_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    @property
    def ttft_s(self) -> float:
        return self.first_s - self.sent_s


@dataclass(slots=True)
class Outcome:
    """What a run of load gave. ``failures``: one text a request that got no whole answer."""

    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def tokens(self) -> int:
        return sum(sample.completion_tokens for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: ``url`` of the server (``http://host:port``) and headers such as ``authorization``."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"

    def request(self, body: bytes) -> bytes:
        """The whole request as it goes on the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"host: {urlsplit(self.url).netloc}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"content-length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One client connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        # Of the request in flight: who waits for it, its answer's head, the end of what has come, whether `[DONE]` was in it.
        self._waiter: asyncio.Future[Sample] | None = None
        self._head: bytes | None = None
        self._tail = b""
        self._done = False

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    async def send(self, request: bytes, timeout_s: float) -> Sample:
        """Raises ``Refused``, ``ConnectionError`` or ``TimeoutError``; the connection is closed then."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._head, self._tail, self._done = None, b"", False
        self._sample = Sample(time.perf_counter())
        self._transport.write(request)
        try:
            return await asyncio.wait_for(self._waiter, timeout_s)
        except BaseException:
            self._transport.close()
            raise

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self._head is None:
            head, separator, data = (self._tail + data).partition(b"\r\n\r\n")
            if not separator:
                self._tail = head
                return
            self._head, self._tail = head, b""
        # An event's mark may be cut in two by the network.
        overlap = self._tail[1 - len(_EVENT) :]
        seen = overlap + data
        events = seen.count(_EVENT)
        if events:
            if not self._sample.events:
                self._sample.first_s = time.perf_counter()
            self._sample.events += events
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        self._done = self._done or _DONE in self._tail[-len(data) - len(_DONE) :]
        if self._done and self._tail.endswith(_LAST_CHUNK):
            self._finish()
        elif not self._head.startswith(b"HTTP/1.1 200"):
            self._refuse()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            if self._done:
                self._finish()
            else:
                self._waiter.set_exception(error or ConnectionResetError("closed before the end of the answer"))

    def _finish(self) -> None:
        assert self._waiter is not None
        sample = self._sample
        sample.end_s = time.perf_counter()
        sample.completion_tokens = _last_number(_USAGE, self._tail)
        sample.prompt_tokens = _last_number(_PROMPT, self._tail)
        sample.cached_tokens = _last_number(_CACHED, self._tail)
        self._waiter.set_result(sample)

    def _refuse(self) -> None:
        assert self._waiter is not None
        assert self._head is not None
        status = self._head.split(b"\r\n", 1)[0].decode(errors="replace")
        self._waiter.set_exception(Refused(f"{status}: {self._tail[:300].decode(errors='replace')}"))


def _last_number(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.findall(text)
    return int(found[-1]) if found else 0


class Client:
    """One slot in flight: sends over a connection that it keeps and renews."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        address = urlsplit(target.url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

    async def send(self, request: bytes, outcome: Outcome) -> None:
        """Send one request and note what became of it."""
        try:
            if self._connection is None or not self._connection.usable:
                loop = asyncio.get_running_loop()
                _, self._connection = await loop.create_connection(Connection, self._host, self._port)
            outcome.samples.append(await self._connection.send(request, self._timeout_s))
        except (Refused, OSError, TimeoutError) as error:
            outcome.failures.append(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


async def closed_loop(
    target: Target,
    body: Callable[[int], bytes],
    *,
    in_flight: int,
    requests: int | None = None,
    duration_s: float | None = None,
    timeout_s: float = 60.0,
    warm_up: bytes | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> Outcome:
    """Keep ``in_flight`` requests going until ``requests`` were sent or ``duration_s`` seconds have passed.

    ``body`` makes the body of the n-th request. Each slot first sends the body ``warm_up``, which does not count; ``on_start`` is
    called when that is over.
    """
    if (requests is None) == (duration_s is None):
        raise ValueError("say how many requests, or for how long")
    clients = [Client(target, timeout_s) for _ in range(in_flight)]
    outcome = Outcome()
    try:
        if warm_up is not None:
            await asyncio.gather(*(client.send(target.request(warm_up), Outcome()) for client in clients))
        on_start()
        began_s = time.perf_counter()
        numbers = iter(range(requests if requests is not None else 1 << 60))

        async def work(client: Client) -> None:
            for number in numbers:
                if duration_s is not None and time.perf_counter() - began_s >= duration_s:
                    return
                await client.send(target.request(body(number)), outcome)

        await asyncio.gather(*map(work, clients))
        outcome.wall_s = time.perf_counter() - began_s
    finally:
        for client in clients:
            client.close()
    return outcome
