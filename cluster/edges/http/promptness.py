"""Work that ends without having waited for anything, as writing to a socket with room does, costs no task and no timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


async def within(timeout_s: float, awaitable: Awaitable[None]) -> None:
    """Await it for at most ``timeout_s`` seconds. Raises ``TimeoutError``.

    What ends without waiting gets no timer.
    """
    rest = begun(awaitable)
    if rest is not None:
        async with asyncio.timeout(timeout_s):
            await rest


def begun(awaitable: Awaitable[None]) -> Begun | None:
    """Run it up to the first thing that it waits for, now and in no task: its rest, or ``None`` if it is done."""
    steps = awaitable.__await__()
    try:
        awaited = next(steps)
    except StopIteration:
        return None
    return Begun(steps, awaited)


class Begun:
    """The rest of an awaitable that has been taken to the first thing that it waits for."""

    def __init__(self, steps: Generator[Any, Any, None], awaited: object) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            thrown: BaseException | None = None
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the awaitable
                thrown = error
            try:
                awaited = self._steps.send(value) if thrown is None else self._steps.throw(thrown)
            except StopIteration:
                return
