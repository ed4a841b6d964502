"""Spans that stay in memory, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from cluster.telemetry.tracing.otel import OtelTracer


class RecordingTracer(OtelTracer):
    """The real tracer, whose finished spans can be looked at. All requests are sampled unless ``sample_ratio`` says otherwise."""

    def __init__(self, *, sample_ratio: float = 1.0, follow_callers: bool = False, draws: Sequence[float] = ()) -> None:
        self.memory = InMemorySpanExporter()
        provider = TracerProvider(ALWAYS_ON, Resource.get_empty(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.memory))
        coming = iter(draws)
        super().__init__(provider, sample_ratio=sample_ratio, follow_callers=follow_callers, draw=lambda: next(coming, 0.5))

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self.memory.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.spans if span.name == name)
        return span


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def above(span: ReadableSpan) -> int | None:
    """The id of the span that it is below."""
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    context = span.context
    assert context is not None
    return context.span_id


def trace_of(span: ReadableSpan) -> int:
    context = span.context
    assert context is not None
    return context.trace_id
