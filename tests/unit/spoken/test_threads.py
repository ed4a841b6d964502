from __future__ import annotations

import asyncio
import threading

import pytest

from cluster.spoken.threads import on_thread


async def test_it_gives_what_the_work_gives() -> None:
    assert await on_thread(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        await on_thread(divmod, 1, 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_caller_who_is_cancelled_waits_for_the_thread(fails: bool) -> None:
    begun, released, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        released.wait(10)
        ended.set()
        if fails:
            raise KeyError("work")

    waiting = asyncio.create_task(on_thread(work))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    await asyncio.sleep(0.02)
    assert not waiting.done()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
