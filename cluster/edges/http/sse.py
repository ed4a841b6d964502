"""Server-sent events: finished payloads in, one write per batch out. Nothing is parsed, checked or scheduled per token."""

from __future__ import annotations

import logging

import msgspec

from cluster.edges.http.exchange import Exchange, Header
from cluster.edges.http.internal_error import internal_error
from cluster.errors import OssatureError
from cluster.inference.service import CompletionStream

_log = logging.getLogger(__name__)

HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_DONE = b"data: [DONE]\n\n"


def events(payloads: list[bytes]) -> bytes:
    """A batch of JSON objects (which hold no line breaks) as events."""
    return b"data: " + b"\n\ndata: ".join(payloads) + b"\n\n"


async def send_stream(exchange: Exchange, stream: CompletionStream, headers: list[Header]) -> None:
    """Write a stream to its end: ``[DONE]``, or an event with the error that ended it and no ``[DONE]``.

    Raises :class:`~cluster.edges.http.exchange.ClientGone`. The caller closes ``stream``.
    """
    await exchange.start(200, [*HEADERS, *headers])
    batches = aiter(stream)
    while True:
        try:
            payloads = await anext(batches)
        except StopAsyncIteration:
            tail = _DONE
            break
        except OssatureError as error:
            tail = events([msgspec.json.encode(error.body())])
            break
        except Exception:  # noqa: BLE001 - the status is sent: the event is the only way left to tell the client
            _log.exception("A stream failed")
            tail = events([msgspec.json.encode(internal_error(exchange.request_id).body())])
            break
        if payloads:
            await exchange.send_body(events(payloads), last=False)
    await exchange.send_body(tail, last=True)
