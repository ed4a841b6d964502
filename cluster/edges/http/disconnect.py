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

    The request's body must have been read: from then on an ASGI server has only the disconnect left to report. The work runs in
    the calling task, which is cancelled as ``asyncio.timeout`` cancels it; only the watch is a task of its own.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelling = task.cancelling()
    lost = False

    def lose(_: asyncio.Task[None]) -> None:
        nonlocal lost
        # A server reports the end of the answer as a disconnect as well: what is left of the work may finish then.
        if not exchange.finished:
            lost = True
            task.cancel()

    watching = asyncio.create_task(_disconnect(exchange.receive))
    watching.add_done_callback(lose)
    try:
        result = await work
    except asyncio.CancelledError:
        if not lost or task.uncancel() > cancelling:
            raise
    except Exception as error:
        if not lost:
            raise
        task.uncancel()
        _log.error("Abandoned work failed while it was cancelled", exc_info=error)
    else:
        if not lost:
            return result
        task.uncancel()
    finally:
        watching.remove_done_callback(lose)
        watching.cancel()
    raise ClientGone


async def _disconnect(receive: Receive) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except Exception:  # noqa: BLE001 - a server that fails to listen to its client has lost it
        _log.debug("The server gave up on the client", exc_info=True)
