"""A time limit that costs nothing where there is nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any


async def within(timeout_s: float, awaitable: Awaitable[None]) -> None:
    """Await it for at most ``timeout_s`` seconds. Raises ``TimeoutError``.

    It is begun without a timer: what ends without having waited for anything, as writing to a socket with room does, gets none.
    """
    steps = awaitable.__await__()
    try:
        awaited = next(steps)
    except StopIteration:
        return
    async with asyncio.timeout(timeout_s):
        await _Begun(steps, awaited)


class _Begun:
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
