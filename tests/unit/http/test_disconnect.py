from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.exchange import ClientGone, Exchange


def exchange(receive: Callable[[], Awaitable[Any]]) -> Exchange:
    async def send(message: object) -> None:
        raise AssertionError("nothing is sent here")

    return Exchange({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)


async def never() -> Any:
    await asyncio.Event().wait()


async def gone() -> Any:
    return {"type": "http.disconnect"}


async def broken() -> Any:
    raise RuntimeError("the connection is no more")


async def value() -> int:
    await asyncio.sleep(0)
    return 7


async def failure() -> int:
    raise KeyError("work")


async def stubborn() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise KeyError("clean-up")


async def test_work_ends_with_its_result_or_its_error() -> None:
    assert await until_disconnect(exchange(never), value()) == 7
    with pytest.raises(KeyError, match="work"):
        await until_disconnect(exchange(never), failure())


@pytest.mark.parametrize("receive", [gone, broken])
async def test_work_is_cancelled_when_the_client_is_lost(receive: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(ClientGone):
        await until_disconnect(exchange(receive), never())


async def test_work_ends_when_the_answer_is_complete() -> None:
    answered = exchange(gone)
    answered.finished = True
    assert await until_disconnect(answered, value()) == 7


async def test_a_failing_clean_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(ClientGone):
        await until_disconnect(exchange(gone), stubborn())
    assert "clean-up" in caplog.text


async def test_no_task_is_left_behind() -> None:
    before = asyncio.all_tasks()
    for receive in (never, gone, broken):
        await asyncio.gather(until_disconnect(exchange(receive), value()), return_exceptions=True)
    cancelled = asyncio.create_task(until_disconnect(exchange(never), never()))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def never_taken(message: object) -> None:
        await asyncio.Event().wait()

    stalled = Exchange({"type": "http", "method": "POST", "path": "/", "headers": []}, never, never_taken, write_timeout_s=0.05)
    with pytest.raises(ClientGone):
        await stalled.start(200, [])
