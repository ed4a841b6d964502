"""The span of one HTTP request, from its route to its last byte."""

from __future__ import annotations

from cluster.edges.http.exchange import Exchange
from cluster.edges.http.routes import Route
from cluster.telemetry.tracing.span import Kind, Tracer
from cluster.telemetry.tracing.traceparent import HEADER


def begin_span(tracer: Tracer, exchange: Exchange, route: Route) -> None:
    """The path is the route's: in the request's own, callers can write anything."""
    exchange.span = tracer.begin(f"{route.method} {route.path}", Kind.SERVER, exchange.header(HEADER))
    exchange.span.set(
        {
            "http.request.method": route.method,
            "http.route": route.path,
            "url.scheme": exchange.scheme,
            "ossature.request_id": exchange.request_id,
        }
    )


def end_span(exchange: Exchange, error: str | None) -> None:
    """``error``: its code, where the answer failed or could not be finished."""
    span, principal = exchange.span, exchange.principal
    span.set(
        {
            "http.response.status_code": exchange.status,
            "ossature.org_id": principal.org_id if principal is not None else None,
            "ossature.project_id": principal.project_id if principal is not None else None,
        }
    )
    # As OpenTelemetry has it: what is the caller's fault is no failure of the server.
    if error is not None and (exchange.status is None or exchange.status < 400 or exchange.status >= 500):
        span.failed(error)
    span.end()
