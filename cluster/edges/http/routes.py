"""Which path leads where, and who may go there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from cluster.edges.http.exchange import Exchange
from cluster.errors import MethodNotAllowed, NotFound

Handler = Callable[..., Awaitable[None]]
"""Called with the exchange, then the path's parameters by name."""


class Access(Enum):
    PUBLIC = "public"
    ORGANIZATION = "organization"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Route:
    """``{name}`` in ``path`` is a parameter of one segment, ``{name:path}`` may hold slashes. ``body``: name of its schema.

    ``status``: of a success.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    summary: str
    body: str | None = None
    status: int = 200


class RouteTable:
    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: dict[re.Pattern[str], dict[str, Route]] = {}
        for route in routes:
            if "{" in route.path:
                self._patterns.setdefault(_pattern(route.path), {})[route.method] = route
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, exchange: Exchange) -> tuple[Route, dict[str, str]]:
        """The route of a request and its path parameters. Raises :class:`NotFound`, :class:`MethodNotAllowed`."""
        methods, parameters = self._find_path(exchange.path)
        if methods is None:
            raise NotFound(f"Unknown request URL: {exchange.method} {exchange.path[:200]}.", code="unknown_url")
        route = methods.get("GET" if exchange.method == "HEAD" else exchange.method)
        if route is None:
            allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
            exchange.extra_headers.append((b"allow", ", ".join(allowed).encode()))
            raise MethodNotAllowed(
                f"Not allowed to {exchange.method[:20]} on {exchange.path[:200]}; allowed: {', '.join(allowed)}.",
                code="method_not_supported",
            )
        return route, parameters

    def _find_path(self, path: str) -> tuple[dict[str, Route] | None, dict[str, str]]:
        if (methods := self._fixed.get(path)) is not None:
            return methods, {}
        for pattern, methods in self._patterns.items():
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        return None, {}


def _pattern(path: str) -> re.Pattern[str]:
    # re.escape escapes the braces, too.
    escaped = re.escape(path)
    return re.compile(re.sub(r"\\{(\w+)(:path)?\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", escaped))
