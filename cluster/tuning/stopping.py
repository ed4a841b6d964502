"""Leaving off in the midst of something that may take long, when the job is to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cluster.jobs.context import JobContext

T = TypeVar("T")


async def unless_stopped(context: JobContext, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives. It is cancelled when the run is to leave off, which :class:`~cluster.jobs.errors.JobStopped` tells."""
    working = asyncio.create_task(work)
    stop = asyncio.create_task(context.stopping.wait())
    try:
        await asyncio.wait([working, stop], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await context.check()
        return await working
    finally:
        stop.cancel()
        working.cancel()
        await asyncio.gather(working, stop, return_exceptions=True)
