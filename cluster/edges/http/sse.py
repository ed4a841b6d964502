"""Server-sent events: finished payloads in, one write per batch out. Nothing is parsed, checked or scheduled per token.

A token that finds its client willing is written in the turn in which it came from its engine replica; the task of the request
sleeps then. It is woken when the client takes nothing, and at the end.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

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
_COMMENT = b": keep-alive\n\n"


def events(payloads: list[bytes]) -> bytes:
    """A batch of JSON objects (which hold no line breaks) as events."""
    return b"data: " + b"\n\ndata: ".join(payloads) + b"\n\n"


class KeepAlive:
    """Writes a comment whenever nothing else was written for ``period_s``, so that nobody on the way takes the stream for dead.

    A model can be silent for long: gpt-oss between its channels, an engine with a full queue.
    """

    def __init__(self, exchange: Exchange, period_s: float) -> None:
        self._exchange = exchange
        self._period_s = period_s
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        self._look()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        # One look a period and no clock at each write: so it is one period to two until the first comment.
        self._timer = self._loop.call_later(self._period_s, self._look_again, self._exchange.pieces)

    def _look_again(self, pieces: int) -> None:
        if self._exchange.pieces == pieces:
            self._exchange.write_through(_COMMENT)
        self._look()


async def send_stream(exchange: Exchange, stream: CompletionStream, headers: list[Header], keep_alive_s: float) -> None:
    """Write a stream to its end: ``[DONE]``, or an event with the error that ended it and no ``[DONE]``.

    Raises :class:`~cluster.edges.http.exchange.ClientGone`. The caller closes ``stream``.
    """
    await exchange.start(200, [*HEADERS, *headers])
    with KeepAlive(exchange, keep_alive_s):
        tail = await _send_batches(exchange, stream)
    await exchange.send_body(tail, last=True)


async def _send_batches(exchange: Exchange, stream: CompletionStream) -> bytes:
    """Everything but the last event, which is returned."""
    batches = aiter(stream)
    flowing = False
    while True:
        try:
            payloads = await anext(batches)
        except StopAsyncIteration:
            return _DONE
        except OssatureError as error:
            return events([msgspec.json.encode(error.body())])
        except Exception:  # noqa: BLE001 - the status is sent: the event is the only way left to tell the client
            _log.exception("A stream failed")
            return events([msgspec.json.encode(internal_error(exchange.request_id).body())])
        if payloads:
            await exchange.send_body(events(payloads), last=False)
        if not flowing:
            flowing = True
            stream.flow(lambda payloads: exchange.write_through(events(payloads)))
