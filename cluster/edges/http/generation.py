"""``POST /v1/chat/completions`` and ``POST /v1/completions``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cluster.config.schema import HttpSettings
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.exchange import Exchange, Header
from cluster.edges.http.sse import send_stream
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.completion import CompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call, Inference

PARSE_IN_THREAD_BYTES = 256 << 10
"""Larger bodies take milliseconds to parse, during which no other stream of this gateway could move."""


class Generation:
    def __init__(self, inference: Inference, settings: HttpSettings) -> None:
        self._inference = inference
        self._settings = settings
        self._limits = RequestLimits(max_json_depth=settings.max_json_depth)

    async def chat(self, exchange: Exchange) -> None:
        await self._answer(exchange, lambda body: ChatCompletionRequest.parse(body, limits=self._limits))

    async def completion(self, exchange: Exchange) -> None:
        await self._answer(exchange, lambda body: CompletionRequest.parse(body, limits=self._limits))

    async def _answer(self, exchange: Exchange, parse: Callable[[bytes], GenerationRequest]) -> None:
        body = await exchange.read_json(self._settings.max_body_bytes, self._settings.body_timeout_s)
        large = len(body) > PARSE_IN_THREAD_BYTES
        request = await asyncio.to_thread(parse, body) if large else parse(body)
        call = Call(edge="http", trace_id=exchange.request_id, explain=exchange.explain)
        exchange.accounted = True
        if request.stream:
            await until_disconnect(exchange, self._stream(exchange, request, call))
            return
        completion = await until_disconnect(exchange, self._inference.complete(exchange.caller, request, call))
        await exchange.respond(completion.body, headers=_route(completion.route))

    async def _stream(self, exchange: Exchange, request: GenerationRequest, call: Call) -> None:
        stream = await self._inference.stream(exchange.caller, request, call)
        try:
            await send_stream(exchange, stream, _route(stream.route), self._settings.keep_alive_s)
        finally:
            await stream.aclose()


def _route(route: str) -> list[Header]:
    """How the request was routed, for people who wonder about a cache miss."""
    return [(b"x-ossature-route", route.encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" "))] if route else []
