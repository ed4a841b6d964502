"""How long a watch lasts, and who may have how many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.errors import Overloaded, first_count

_Each = TypeVar("_Each")


async def watching(
    told: AsyncGenerator[_Each, None], limit: ConcurrencyLimit, org_id: str, watch_s: float
) -> AsyncGenerator[_Each, None]:
    """What is told, for at most ``watch_s`` seconds, in one of the organization's places. Closing it ends what tells.

    Raises :class:`~cluster.errors.RateLimited` without a place, and :class:`Overloaded` (``watch_ended``) when the time is over: an
    endless watch would hold up a gateway that is being replaced.
    """
    with limit.acquire(org_id):
        async with aclosing(told):
            deadline = asyncio.get_running_loop().time() + watch_s
            while True:
                try:
                    async with asyncio.timeout_at(deadline) as timer:
                        each = await anext(told)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    if not timer.expired():
                        raise
                    ended = Overloaded(
                        f"A watch lasts {watch_s:g} s. Watch again, from the last sequence.", code="watch_ended", retry_after_s=0.0
                    )
                    first_count(ended)  # nothing was refused
                    raise ended from None
                yield each
