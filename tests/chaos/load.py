"""A steady, small load of streams and short requests, and what became of each.

It is a process of its own, so that nothing that a test does holds it up: ``tests/chaos/driver.py`` starts it and reads what it
prints, a line of JSON for each request that is over. It ends once its standard input does. A request that fails before its first
byte is sent again as OpenAI's own clients do: twice at most, after 0.5 s and 1 s or what ``Retry-After`` says.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

from bench.fakes.profile import Profile

FLOWING = "flowing"
"""The line for each stream's first byte."""
MAX_RETRIES = 2
FIRST_BACKOFF_S = 0.5
LONGEST_RETRY_AFTER_S = 60.0
CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 120.0
PAUSE_S = 0.2
"""Between a stream that failed and the next one of its place."""
_RETRIED_STATUSES = frozenset({408, 409, 429})


class End(StrEnum):
    """How an attempt ended. ``REFUSED``: before the first byte of an answer, with an error or without any connection.

    ``CUT_SAID``: after it, by an error event; ``CUT_SILENT``: after it, by a connection that broke or went silent.
    """

    COMPLETE = "complete"
    REFUSED = "refused"
    CUT_SAID = "cut, said so"
    CUT_SILENT = "cut, silent"


@dataclass(slots=True)
class Attempt:
    """Seconds of ``time.monotonic``. ``reason``: an error's code, an HTTP status or the kind of a network error."""

    began_s: float
    first_byte_s: float | None = None
    ended_s: float = 0.0
    end: End = End.CUT_SILENT
    reason: str = ""
    answer_id: str = ""
    retry_after_s: float | None = None
    may_retry: bool = False


@dataclass(slots=True)
class Request:
    """``attempts``: in order; only the last one can have got an answer."""

    kind: str
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def end(self) -> End:
        return self.attempts[-1].end

    @property
    def retried(self) -> bool:
        """Answered, though not at the first attempt."""
        return self.end is End.COMPLETE and len(self.attempts) > 1


@dataclass(frozen=True, slots=True)
class Mix:
    """``streams`` are open at any time, each of ``stream_tokens`` every ``step_s``; short requests begin ``short_per_s`` a second.

    An engine takes ``first_s`` to the first token.

    Every second short request is a stream of few tokens, the others come whole.
    """

    streams: int = 6
    stream_tokens: int = 120
    first_s: float = 0.01
    step_s: float = 0.05
    short_per_s: float = 5.0
    short_tokens: int = 4


class Load:
    """Requests of one key to one model, until :meth:`stop`.

    Each stream has one of ``urls`` to begin at, short requests begin at each in turn; all try again at the next. ``on_end`` gets
    each request that is over; ``on_flow`` is called at the first byte of each of the streams.
    """

    def __init__(
        self, urls: list[str], api_key: str, model: str, mix: Mix, on_end: Callable[[Request], None], on_flow: Callable[[], None]
    ) -> None:
        self.mix = mix
        self._urls = [f"{url}/v1/chat/completions" for url in urls]
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._model = model
        self._on_end = on_end
        self._on_flow = on_flow
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Send nothing more; :meth:`run` ends with what is in flight."""
        self._stopping.set()

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=self._headers, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for number in range(self.mix.streams):
                group.create_task(self._streams(session, number))
            number = 0
            while not self._stopping.is_set():
                number += 1
                group.create_task(self._request(session, "short", self._short(number), number))
                await asyncio.sleep(1 / self.mix.short_per_s)

    async def _streams(self, session: aiohttp.ClientSession, slot: int) -> None:
        # Apart from each other, so that they don't all end at the same moment.
        await asyncio.sleep(slot * self.mix.stream_tokens * self.mix.step_s / self.mix.streams / 4)
        first = self._on_flow
        while not self._stopping.is_set():
            body = self._body(f"Stream {slot}.", self.mix.stream_tokens, stream=True)
            request = await self._request(session, "stream", body, slot, on_first=first)
            if request.attempts[-1].first_byte_s is not None:
                first = _nothing
            if request.end is not End.COMPLETE:
                await asyncio.sleep(PAUSE_S)

    def _short(self, number: int) -> dict[str, Any]:
        return self._body(f"Short {number}.", self.mix.short_tokens, stream=bool(number % 2))

    def _body(self, text: str, tokens: int, *, stream: bool) -> dict[str, Any]:
        profile = Profile(ttft_us=int(self.mix.first_s * 1e6), step_us=int(self.mix.step_s * 1e6), tokens=tokens)
        message = {"role": "user", "content": f"{text} {profile.text}"}
        # A real engine would end somewhere.
        length = {"max_completion_tokens": tokens, "ignore_eos": True}
        return {"model": self._model, "messages": [message], "stream": stream, **length}

    async def _request(
        self,
        session: aiohttp.ClientSession,
        kind: str,
        body: dict[str, Any],
        place: int,
        on_first: Callable[[], None] = lambda: None,
    ) -> Request:
        request = Request(kind)
        for number in range(MAX_RETRIES + 1):
            attempt = Attempt(time.monotonic())
            request.attempts.append(attempt)
            url = self._urls[(place + number) % len(self._urls)]
            await self._attempt(session, url, body, attempt, on_first)
            attempt.ended_s = time.monotonic()
            if attempt.end is not End.REFUSED or not attempt.may_retry or number == MAX_RETRIES:
                break
            wait_s = attempt.retry_after_s
            await asyncio.sleep(FIRST_BACKOFF_S * 2**number if wait_s is None else min(wait_s, LONGEST_RETRY_AFTER_S))
        self._on_end(request)
        return request

    async def _attempt(
        self, session: aiohttp.ClientSession, url: str, body: dict[str, Any], attempt: Attempt, on_first: Callable[[], None]
    ) -> None:
        read = _read_stream if body["stream"] else _read_whole
        try:
            async with session.post(url, json=body) as answer:
                if answer.status == 200:
                    await read(answer, attempt, on_first)
                    return
                attempt.end = End.REFUSED
                attempt.may_retry = answer.status >= 500 or answer.status in _RETRIED_STATUSES
                attempt.retry_after_s = _seconds(answer.headers.get("retry-after"))
                attempt.reason = _code(await answer.read()) or str(answer.status)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            attempt.reason = type(error).__name__
            attempt.may_retry = True
            attempt.end = End.REFUSED if attempt.first_byte_s is None else End.CUT_SILENT


async def _read_whole(answer: aiohttp.ClientResponse, attempt: Attempt, on_first: Callable[[], None]) -> None:
    content = await answer.json()
    attempt.first_byte_s = time.monotonic()
    on_first()
    attempt.answer_id, attempt.end = content["id"], End.COMPLETE


async def _read_stream(answer: aiohttp.ClientResponse, attempt: Attempt, on_first: Callable[[], None]) -> None:
    finished = False
    async for raw in answer.content:
        line = raw.strip()
        if not line.startswith(b"data: "):
            continue
        if line == b"data: [DONE]":
            attempt.end = End.COMPLETE if finished else attempt.end
            continue
        event = json.loads(line.removeprefix(b"data: "))
        if "error" in event:
            attempt.reason = event["error"]["code"] or event["error"]["type"]
            attempt.end = End.REFUSED if attempt.first_byte_s is None else End.CUT_SAID
            return
        if attempt.first_byte_s is None:
            attempt.first_byte_s = time.monotonic()
            attempt.answer_id = event["id"]
            on_first()
        finished = finished or any(choice["finish_reason"] for choice in event["choices"])
    if attempt.end is End.CUT_SILENT:
        # The connection ended in order, the answer did not.
        attempt.reason = "no end"
        attempt.end = End.REFUSED if attempt.first_byte_s is None else End.CUT_SILENT


def _code(body: bytes) -> str:
    """The code of an error's body in OpenAI's shape; empty for another body."""
    try:
        return str(json.loads(body)["error"]["code"] or "")
    except (ValueError, KeyError, TypeError):
        return ""


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None


def _nothing() -> None:
    """For streams after the first of their slot."""


async def main(arguments: dict[str, Any]) -> None:
    """``arguments``: ``urls``, ``api_key``, ``model`` and ``mix``."""
    mix = Mix(**arguments.pop("mix"))
    load = Load(
        **arguments,
        mix=mix,
        on_end=lambda request: print(json.dumps(asdict(request)), flush=True),  # noqa: T201 - read by who started this
        on_flow=lambda: print(FLOWING, flush=True),  # noqa: T201
    )
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, load.stop)  # readable once it is closed
    await load.run()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
