"""A process's tracer, from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cluster.config.settings.telemetry import TracingSettings
from cluster.telemetry.tracing.span import UNTRACED, Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_SIGNAL_PATH: Final = "/v1/traces"
_EXPORT_PERIOD_MS: Final = 2_000
_MAX_BATCH: Final = 512


async def open_tracer(settings: TracingSettings | None, component: str, replica: str | None = None) -> Tracer:
    """``component``: as in logs, without what follows a colon. Off, nothing of OpenTelemetry is even imported."""
    if settings is None or settings.endpoint is None:
        return UNTRACED
    return await asyncio.to_thread(_opened, settings, component, replica)


def _opened(settings: TracingSettings, component: str, replica: str | None) -> Tracer:
    from cluster.telemetry.tracing.otel import OtelTracer

    provider = traced_by(_exporter(settings), settings, component, replica)
    return OtelTracer(
        provider,
        sample_ratio=settings.sample_ratio,
        follow_callers=settings.follow_callers,
        close_timeout_s=settings.timeout_s,
    )


def traced_by(exporter: SpanExporter, settings: TracingSettings, component: str, replica: str | None) -> TracerProvider:
    """A provider whose finished spans a thread of its own hands to ``exporter``; when too many wait, the oldest are dropped."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    attributes = {"service.name": f"{settings.service_name}-{component.partition(':')[0]}", "ossature.component": component}
    if replica is not None:
        attributes["service.instance.id"] = replica
    provider = TracerProvider(ALWAYS_ON, Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=settings.max_waiting_spans,
            schedule_delay_millis=_EXPORT_PERIOD_MS,
            max_export_batch_size=min(_MAX_BATCH, settings.max_waiting_spans),
            export_timeout_millis=settings.timeout_s * 1000,
        )
    )
    return provider


def _exporter(settings: TracingSettings) -> SpanExporter:
    assert settings.endpoint is not None
    headers = _headers(settings)
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        insecure = settings.endpoint.startswith("http://")
        return GrpcExporter(settings.endpoint, insecure=insecure, headers=dict(headers), timeout=settings.timeout_s)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    endpoint = settings.endpoint.rstrip("/")
    if not endpoint.endswith(_SIGNAL_PATH):
        endpoint += _SIGNAL_PATH
    return HttpExporter(endpoint, headers=headers, timeout=settings.timeout_s)


def _headers(settings: TracingSettings) -> Mapping[str, str]:
    """``name=value,…`` as the setting checks it; names in lower case, which gRPC wants."""
    if settings.headers is None:
        return {}
    pairs = (pair.partition("=") for pair in settings.headers.get_secret_value().split(","))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
