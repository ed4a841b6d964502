"""The spans of one request inside an engine replica: the whole of it, and below that queue, prefill and decode.

The engine tells how long each of these took, by the clock of its own process. They are laid out backwards from the moments at which
this process has seen the first and the last frame, so they may be off by what lies between: a step of the event loop.
What remains in front of the queue is the engine's front end (template, tokens).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cluster.engine.contract import EngineRequest, EngineTiming, Frame
from cluster.telemetry.tracing.span import Kind, Span, Tracer


async def traced(
    tracer: Tracer,
    model: str,
    request: EngineRequest,
    trace: str,
    frames: AsyncGenerator[Frame, None],
    now_ns: Callable[[], int] = time.time_ns,
) -> AsyncGenerator[Frame, None]:
    """The same ``frames``. Closing it closes them."""
    span = tracer.resume("engine", Kind.SERVER, trace)
    span.set({"gen_ai.response.id": request.request_id, "gen_ai.request.model": model, "ossature.streamed": request.stream})
    first_ns: int | None = None
    ended = False
    try:
        async with aclosing(frames):
            async for frame in frames:
                if first_ns is None:
                    first_ns = now_ns()
                if frame.last:
                    ended = True
                    _tell(span, frame, first_ns if request.stream else None, now_ns())
                yield frame
    finally:
        if not ended:
            span.set({"ossature.code": "cancelled"})
        span.end()


def _tell(span: Span, frame: Frame, first_ns: int | None, last_ns: int) -> None:
    """``first_ns``: when the first token was seen; ``None`` for an answer that came whole."""
    usage = frame.usage
    if frame.fault is not None:
        span.failed(frame.fault.kind.value)
    if usage is not None:
        span.set(
            {
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
                "ossature.cached_tokens": usage.cached_tokens,
            }
        )
    if frame.timing is not None:
        _phases(span, frame.timing, first_ns, last_ns)


def _phases(span: Span, timing: EngineTiming, first_ns: int | None, last_ns: int) -> None:
    decoding_ns = first_ns if first_ns is not None else last_ns - round((timing.decode_s or 0.0) * 1e9)
    scheduled_ns = decoding_ns - round(timing.prefill_s * 1e9)
    queued_ns = scheduled_ns - round(timing.queue_s * 1e9)
    for name, began_ns, ended_ns in (
        ("queue", queued_ns, scheduled_ns),
        ("prefill", scheduled_ns, decoding_ns),
        ("decode", decoding_ns, last_ns),
    ):
        span.child(name, began_ns=began_ns).end(ended_ns)
