from __future__ import annotations

import asyncio

import pytest

from cluster.edges.http.promptness import within


async def test_what_waits_for_nothing_gets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: float) -> None:
        raise AssertionError("a timer was asked for")

    monkeypatch.setattr(asyncio, "timeout", refuse)
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    await within(1.0, work())
    assert done == [1]


async def test_what_waits_is_awaited_to_its_end() -> None:
    steps: list[int] = []

    async def work() -> None:
        for step in range(3):
            await asyncio.sleep(0.001)
            steps.append(step)

    await within(5.0, work())
    assert steps == [0, 1, 2]


async def test_what_waits_too_long_is_cancelled() -> None:
    cleaned_up: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert cleaned_up == [True]


@pytest.mark.parametrize("waits", [False, True])
async def test_its_errors_are_passed_on(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        await within(1.0, work())


async def test_it_may_catch_what_it_is_cancelled_with_and_go_on() -> None:
    ended: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            ended.append(True)

    await within(0.01, work())
    assert ended == [True]
