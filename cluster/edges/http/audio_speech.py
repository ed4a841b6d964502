"""``POST /v1/audio/speech``."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.event_stream import send_events
from cluster.edges.http.exchange import Exchange
from cluster.edges.http.generation import PARSE_IN_THREAD_BYTES
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call
from cluster.spoken.speech import Speech
from cluster.spoken.speech_request import SpeechRequest
from cluster.spoken.synthesis import SpeechUsage, Synthesis

_BYTES_PER_CHAR = 12
"""A character beyond the basic plane, escaped, in JSON."""
_OTHER_FIELDS_BYTES = 128 << 10


class SpeechEndpoint:
    def __init__(self, speech: Speech, settings: HttpSettings) -> None:
        self._synthesis = Synthesis(speech)
        self._settings = settings
        self._limits = RequestLimits(max_json_depth=settings.max_json_depth)
        most = _BYTES_PER_CHAR * speech.settings.max_text_chars + _OTHER_FIELDS_BYTES
        self._max_body_bytes = min(settings.max_body_bytes, most)

    async def speech(self, exchange: Exchange) -> None:
        body = await exchange.read_json(self._max_body_bytes, self._settings.body_timeout_s)
        large = len(body) > PARSE_IN_THREAD_BYTES
        parse = SpeechRequest.parse
        request = await asyncio.to_thread(parse, body, limits=self._limits) if large else parse(body, limits=self._limits)
        usage = SpeechUsage()
        call = Call(edge="http", trace_id=exchange.request_id, span=exchange.span)
        pieces = self._synthesis.speak(exchange.caller, request, call, usage)
        if request.events:
            work = send_events(exchange, _events(pieces, usage), self._settings.keep_alive_s)
        else:
            work = _send_file(exchange, pieces, request.format.media_type)
        await until_disconnect(exchange, work)


async def _send_file(exchange: Exchange, pieces: AsyncGenerator[bytes, None], media_type: str) -> None:
    """The status is sent with the first audio, so that whatever fails before it has its own. Later errors break the answer off."""
    async with aclosing(pieces):
        piece = await anext(pieces, b"")
        await exchange.start(200, [(b"content-type", media_type.encode())])
        while piece:
            await exchange.send_body(piece, last=False)
            piece = await anext(pieces, b"")
    await exchange.send_body(b"", last=True)


async def _events(pieces: AsyncGenerator[bytes, None], usage: SpeechUsage) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            yield msgspec.json.encode({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    counted = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    yield msgspec.json.encode({"type": "speech.audio.done", "usage": counted})
