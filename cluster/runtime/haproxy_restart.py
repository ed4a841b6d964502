"""A dead HAProxy is started again by the actor that keeps it.

Ray Serve replaces the whole actor instead: three failed health checks and the start of a Python process, for all of which the node
refuses connections; and the new HAProxy knows no gateways at first. What is done here takes a fraction of a second, with
the configuration that the dead one had. Where HAProxy doesn't start again, or dies young, Serve's way is left to itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

YOUNG_S = 5.0
"""One that has lived for less is likely to die again."""

_LOCK, _STOPPED, _WATCHES = "_ossature_lock", "_ossature_stopped", "_ossature_watches"


def restart_dead_haproxy(api: type[Any]) -> None:
    """Change ``ray.serve._private.haproxy.HAProxyApi``, which holds the process in ``_proc``."""
    begin: Callable[..., Awaitable[Any]] = api._start_and_wait_for_haproxy
    reload: Callable[..., Awaitable[None]] = api._graceful_reload
    stop: Callable[..., Awaitable[None]] = api.stop

    async def begin_and_watch(self: Any, *arguments: str, **options: Any) -> Any:
        process = await begin(self, *arguments, **options)
        watches: set[asyncio.Task[None]] = vars(self).setdefault(_WATCHES, set())
        watch = asyncio.create_task(_watch(self, process), name="haproxy-watch")
        watches.add(watch)
        watch.add_done_callback(watches.discard)
        return process

    async def reload_alone(self: Any) -> None:
        # A process that dies meanwhile has a successor already.
        async with _lock(self):
            await reload(self)

    async def stop_for_good(self: Any) -> None:
        setattr(self, _STOPPED, True)
        await stop(self)

    api._start_and_wait_for_haproxy = begin_and_watch
    api._graceful_reload = reload_alone
    api.stop = stop_for_good


async def _watch(api: Any, process: Any) -> None:
    began_s = time.monotonic()
    code = await process.wait()
    async with _lock(api):
        if api._proc is not process or getattr(api, _STOPPED, False):
            return  # replaced by a reload, or stopped
        if time.monotonic() - began_s < YOUNG_S:
            logger.error("HAProxy (process %d) ended with %s, shortly after its start", process.pid, code)
            return
        logger.error("HAProxy (process %d) ended with %s and is started again", process.pid, code)
        try:
            successor = await api._start_and_wait_for_haproxy()
        except (RuntimeError, OSError):
            logger.exception("HAProxy did not start again")
            return
        if getattr(api, _STOPPED, False):
            successor.kill()  # stopped meanwhile, when it was not yet there to be stopped
            await successor.wait()
            return
        api._proc = successor


def _lock(api: Any) -> asyncio.Lock:
    lock: asyncio.Lock = vars(api).setdefault(_LOCK, asyncio.Lock())
    return lock
