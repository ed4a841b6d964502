"""Liveness, readiness, the index and the description of this API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from cluster import __version__
from cluster.edges.http.exchange import Exchange, retry_headers
from cluster.edges.http.openapi import describe
from cluster.edges.http.routes import Route
from cluster.errors import Overloaded

_RETRY_AFTER_S = 2.0


class Readiness(Protocol):
    """``waiting``: models that nobody can answer for yet. How many is for everybody; which ones may be an organization's secret."""

    @property
    def ready(self) -> bool: ...

    @property
    def waiting(self) -> Sequence[str]: ...


class ServiceEndpoints:
    """``routes`` is read when the first caller asks, as these endpoints are routes themselves."""

    def __init__(self, readiness: Callable[[], Readiness], routes: Callable[[], Sequence[Route]]) -> None:
        self._readiness = readiness
        self._routes = routes
        self._description: bytes | None = None

    async def health(self, exchange: Exchange) -> None:
        await exchange.respond_object({"status": "ok"})

    async def ready(self, exchange: Exchange) -> None:
        state = self._readiness()
        if state.ready:
            await exchange.respond_object({"status": "ready"})
            return
        count = len(state.waiting)
        what = "1 model has" if count == 1 else f"{count} models have"
        error = Overloaded(f"{what} no replica yet.", code="not_ready", retry_after_s=_RETRY_AFTER_S)
        body = {**error.body(), "status": "waiting", "waiting": count}
        await exchange.respond(msgspec.json.encode(body), status=error.status, headers=retry_headers(error))

    async def index(self, exchange: Exchange) -> None:
        endpoints = [f"{route.method} {route.path}" for route in self._routes()]
        await exchange.respond_object({"object": "ossature", "version": __version__, "endpoints": endpoints})

    async def openapi(self, exchange: Exchange) -> None:
        if self._description is None:
            self._description = msgspec.json.encode(describe(self._routes()))
        await exchange.respond(self._description)
