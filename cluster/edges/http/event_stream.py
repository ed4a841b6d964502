"""Server-sent events of answers that are no completions: each with its type in it, and none that says ``[DONE]``."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from cluster.edges.http.exchange import Exchange
from cluster.edges.http.internal_error import internal_error
from cluster.edges.http.sse import HEADERS, KeepAlive, events
from cluster.errors import OssatureError

_log = logging.getLogger(__name__)


async def send_events(exchange: Exchange, payloads: AsyncGenerator[bytes, None], keep_alive_s: float) -> None:
    """Write a stream to its end, or to an event with the error that ended it.

    The status is sent with the first event: what fails before is raised. Raises
    :class:`~cluster.edges.http.exchange.ClientGone`. ``payloads`` are JSON objects, and closed at the end.
    """
    async with aclosing(payloads):
        payload: bytes | None = await anext(payloads, None)
        await exchange.start(200, HEADERS)
        with KeepAlive(exchange, keep_alive_s):
            while payload is not None:
                await exchange.send_body(events([payload]), last=False)
                payload = await _next(exchange, payloads)
    await exchange.send_body(b"", last=True)


async def _next(exchange: Exchange, payloads: AsyncGenerator[bytes, None]) -> bytes | None:
    try:
        return await anext(payloads, None)
    except OssatureError as error:
        return msgspec.json.encode(error.body())
    except Exception:  # noqa: BLE001 - the status is sent: the event is the only way left to tell the client
        _log.exception("A stream of events failed")
        return msgspec.json.encode(internal_error(exchange.request_id).body())
