"""``POST /v1/chat/completions`` and ``POST /v1/completions``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cluster.config.settings.edges import HttpSettings
from cluster.edges.http.disconnect import until_disconnect
from cluster.edges.http.exchange import Exchange, Header
from cluster.edges.http.sse import send_stream
from cluster.errors import InvalidRequest
from cluster.inference.requests import GenerationRequest
from cluster.inference.requests.chat import ChatCompletionRequest
from cluster.inference.requests.completion import CompletionRequest
from cluster.inference.requests.limits import RequestLimits
from cluster.inference.service import Call, CompletionStream, Inference
from cluster.spoken.chat.chat import SpokenChat
from cluster.spoken.chat.request import MARK, SpokenChatRequest

PARSE_IN_THREAD_BYTES = 256 << 10
"""Larger bodies take milliseconds to parse, during which no other stream of this gateway could move."""


class Generation:
    def __init__(
        self, inference: Inference, settings: HttpSettings, limits: RequestLimits, spoken: SpokenChat | None = None
    ) -> None:
        """``spoken``: ``None`` where chats are in writing only."""
        self._inference = inference
        self._spoken = spoken
        self._settings = settings
        self._limits = limits

    async def chat(self, exchange: Exchange) -> None:
        await self._answer(exchange, self._parse_chat)

    async def completion(self, exchange: Exchange) -> None:
        await self._answer(exchange, lambda body: CompletionRequest.parse(body, limits=self._limits))

    def _parse_chat(self, body: bytes) -> ChatCompletionRequest | SpokenChatRequest:
        try:
            return ChatCompletionRequest.parse(body, limits=self._limits)
        except InvalidRequest:
            # A request with sound is none in writing. Looked at in this order, those in writing don't pay for the others.
            if self._spoken is None or MARK not in body:
                raise
        return self._spoken.parsed(body)

    async def _answer(self, exchange: Exchange, parse: Callable[[bytes], GenerationRequest | SpokenChatRequest]) -> None:
        body = await exchange.read_json(self._settings.max_body_bytes, self._settings.body_timeout_s)
        large = len(body) > PARSE_IN_THREAD_BYTES
        request = await asyncio.to_thread(parse, body) if large else parse(body)
        call = Call(edge="http", trace_id=exchange.request_id, explain=exchange.explain, span=exchange.span)
        if isinstance(request, SpokenChatRequest):
            await self._answer_spoken(exchange, request, call)
            return
        exchange.accounted = True
        if request.stream:
            await until_disconnect(exchange, self._stream(exchange, self._inference.stream(exchange.caller, request, call)))
            return
        completion = await until_disconnect(exchange, self._inference.complete(exchange.caller, request, call))
        await exchange.respond(completion.body, headers=_route(completion.route))

    async def _answer_spoken(self, exchange: Exchange, request: SpokenChatRequest, call: Call) -> None:
        # Not accounted for: some of its refusals come before anything that counts. Those that were counted are not counted again.
        assert self._spoken is not None
        if request.stream:
            await until_disconnect(exchange, self._stream(exchange, self._spoken.stream(exchange.caller, request, call)))
            return
        completion = await until_disconnect(exchange, self._spoken.complete(exchange.caller, request, call))
        await exchange.respond(completion.body, headers=_route(completion.route))

    async def _stream(self, exchange: Exchange, opening: Coroutine[Any, Any, CompletionStream]) -> None:
        stream = await opening
        try:
            await send_stream(exchange, stream, _route(stream.route), self._settings.keep_alive_s)
        finally:
            await stream.aclose()


def _route(route: str) -> list[Header]:
    """How the request was routed, for people who wonder about a cache miss."""
    return [(b"x-ossature-route", route.encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" "))] if route else []
