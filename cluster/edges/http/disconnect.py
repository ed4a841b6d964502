"""Work that must not outlive its client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from cluster.edges.http.exchange import ClientGone, Exchange

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


async def until_disconnect(exchange: Exchange, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run ``work``, and cancel it as soon as the client goes away. Raises :class:`ClientGone` then.

    The request's body must have been read: from then on an ASGI server has only the disconnect left to report.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_disconnect(exchange.receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        # A server reports the end of the answer as a disconnect as well: what is left of the work may finish then.
        if working.done() or exchange.finished:
            return await working
        raise ClientGone
    finally:
        await _end(working, watching)


async def _disconnect(receive: Receive) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except Exception:  # noqa: BLE001 - a server that fails to listen to its client has lost it
        _log.debug("The server gave up on the client", exc_info=True)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(outcome, Exception):
            _log.error("Abandoned work failed while it was cancelled", exc_info=outcome)
