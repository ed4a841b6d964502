"""Waits that end with a request's deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from cluster.errors import DeadlineExceeded

_Item = TypeVar("_Item")


def deadline_in(timeout_s: float) -> float:
    """A time of the running event loop's clock."""
    return asyncio.get_running_loop().time() + timeout_s


async def until(deadline: float, source: AsyncGenerator[_Item, None]) -> AsyncGenerator[_Item, None]:
    """The items of ``source``, which is closed at the end. Only waits for it count, not what is done with an item meanwhile.

    Raises:
        DeadlineExceeded: an item did not come in time.
    """
    async with aclosing(source):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise DeadlineExceeded("The request's deadline passed before its speech was done.") from None
            yield item
