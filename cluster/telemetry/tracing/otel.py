"""Spans by OpenTelemetry's SDK. Imported only where tracing is on."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from cluster.telemetry.tracing import traceparent as w3c
from cluster.telemetry.tracing.span import NO_SPAN, Kind, Span, Value

_KINDS: Mapping[Kind, SpanKind] = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.CONSUMER: SpanKind.CONSUMER,
}
_SCOPE: Final = "ossature"
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class RecordedSpan:
    """Implements :class:`~cluster.telemetry.tracing.span.Span`."""

    recorded: Final = True

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        return str(w3c.TraceContext(context.trace_id, context.span_id, sampled=True))

    def child(self, name: str, kind: Kind = Kind.INTERNAL, *, began_ns: int | None = None) -> Span:
        above = trace.set_span_in_context(self._span)
        return RecordedSpan(self._tracer, self._tracer.start_span(name, above, _KINDS[kind], start_time=began_ns))

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def event(self, name: str) -> None:
        self._span.add_event(name)

    def failed(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at_ns: int | None = None) -> None:
        if self._span.is_recording():  # the SDK would warn of a second end
            self._span.end(at_ns)


class OtelTracer:
    """Implements :class:`~cluster.telemetry.tracing.span.Tracer`. ``provider`` samples all: what is traced is decided here."""

    on: Final = True

    def __init__(
        self,
        provider: TracerProvider,
        *,
        sample_ratio: float,
        follow_callers: bool,
        close_timeout_s: float = 5.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """``sample_ratio`` of 0 to 1; ``draw`` gives a number from 0 to under 1 for each request. See ``TracingSettings``."""
        self._provider = provider
        self._tracer = provider.get_tracer(_SCOPE)
        self._sample_ratio = sample_ratio
        self._follow_callers = follow_callers
        self._close_timeout_s = close_timeout_s
        self._draw = draw
        self._closed = False

    def begin(self, name: str, kind: Kind, caller: str | None = None) -> Span:
        above = w3c.parse(caller)
        # Not by the trace's id, as others do: a caller chooses that.
        wanted = above.sampled if above is not None and self._follow_callers else self._draw() < self._sample_ratio
        return self._started(name, kind, above) if wanted else NO_SPAN

    def resume(self, name: str, kind: Kind, traceparent: str) -> Span:
        return self._started(name, kind, w3c.parse(traceparent))

    def _started(self, name: str, kind: Kind, above: w3c.TraceContext | None) -> Span:
        # An empty context, not the current one: what another library has left there is not above this.
        context = Context()
        if above is not None:
            remote = SpanContext(above.trace_id, above.span_id, is_remote=True, trace_flags=_SAMPLED)
            context = trace.set_span_in_context(NonRecordingSpan(remote), context)
        return RecordedSpan(self._tracer, self._tracer.start_span(name, context, _KINDS[kind]))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # The SDK sends what waits, batch after batch, and has no end to that of its own under half a minute. A thread that nobody
        # joins, so that a collector that takes nothing doesn't hold the process up.
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="tracing-close", daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), self._close_timeout_s)
