"""An ``AsyncLLM`` that tells each request what it cost.

vLLM's serving classes call ``generate`` and hide what it yields: the exact count of cached tokens of every prompt of a request,
the times in the engine's queue, the exception behind an error event. A :class:`RequestMeter` that is active in the calling context
sees every output first.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

from vllm.v1.engine.async_llm import AsyncLLM

from cluster.engine.contract import EngineTiming, PayloadSink
from cluster.engine.vllm.direct import DirectWrites

_active: ContextVar[RequestMeter | None] = ContextVar("ossature_request_meter", default=None)


class PromptMeter:
    """Counts of one prompt of a request (all its ``n`` sequences)."""

    __slots__ = ("cached_tokens", "completion_tokens", "prompt_tokens", "stats")

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens: int | None = None
        self.stats: Any = None

    def record(self, output: Any) -> None:
        """Take one ``RequestOutput`` (a delta when streaming, else the only one) into account."""
        if output.prompt_token_ids is not None:
            self.prompt_tokens = len(output.prompt_token_ids) + len(output.encoder_prompt_token_ids or ())
        if self.cached_tokens is None and output.num_cached_tokens is not None:
            self.cached_tokens = max(output.num_cached_tokens, 0)
        if output.metrics is not None:
            self.stats = output.metrics
        for sequence in output.outputs:
            self.completion_tokens += len(sequence.token_ids)


class RequestMeter:
    """What one request cost. ``error`` is the exception that ended a generation, ``started`` whether there was any output.

    ``direct``: the short way to the request's sink, if it has one. ``name`` is what the engine's cache events call the request;
    ``on_prompt`` is told its prompt's tokens once it is computed, if it has a single one.
    """

    def __init__(
        self,
        sink: PayloadSink | None = None,
        *,
        name: str | None = None,
        on_prompt: Callable[[int], None] | None = None,
    ) -> None:
        self.direct = None if sink is None else DirectWrites(sink, self._count)
        self.name = name
        self._on_prompt = on_prompt
        self._prompts: list[PromptMeter] = []
        self._generations: list[AsyncGenerator[Any, None]] = []
        self.started = False
        self.error: Exception | None = None

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Generations that are begun inside belong to this meter. Must not enclose a ``yield`` of an async generator."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def watch(self, generation: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """The same outputs, recorded on the way."""
        prompt = PromptMeter()
        self._prompts.append(prompt)
        watched = self._record(generation, prompt)
        self._generations.append(watched)
        return watched

    def _count(self, tokens: int) -> None:
        """Tokens that took the short way. What they belong to is a chat, which has one prompt."""
        self._prompts[0].completion_tokens += tokens

    async def _record(self, generation: AsyncGenerator[Any, None], prompt: PromptMeter) -> AsyncGenerator[Any, None]:
        async with contextlib.aclosing(generation):
            try:
                async for output in generation:
                    self.started = True
                    prompt.record(output)
                    if self._on_prompt is not None and len(self._prompts) == 1 and prompt.prompt_tokens:
                        self._on_prompt(prompt.prompt_tokens)
                        self._on_prompt = None
                    yield output
            except Exception as error:
                self.error = error
                raise

    async def close(self) -> None:
        """Abort what is still generating. Returns when the engine has been told."""
        for generation in self._generations:
            # A generation that another task is just pulling from can't be closed from here; that task has been cancelled by
            # vLLM's merging of several prompts, and aborts it itself.
            with contextlib.suppress(RuntimeError):
                await generation.aclose()

    @property
    def prompt_tokens(self) -> int:
        return sum(prompt.prompt_tokens for prompt in self._prompts)

    @property
    def completion_tokens(self) -> int:
        return sum(prompt.completion_tokens for prompt in self._prompts)

    @property
    def cached_tokens(self) -> int:
        return sum(prompt.cached_tokens or 0 for prompt in self._prompts)

    @property
    def timing(self) -> EngineTiming | None:
        """Times of the prompt that waited longest, by the engine core's clock; ``None`` when nothing was scheduled."""
        times = [
            EngineTiming(
                queue_s=max(stats.scheduled_ts - stats.queued_ts, 0.0),
                prefill_s=max(stats.first_token_ts - stats.scheduled_ts, 0.0),
                decode_s=max(stats.last_token_ts - stats.first_token_ts, 0.0),
            )
            for stats in (prompt.stats for prompt in self._prompts)
            if stats is not None and stats.scheduled_ts > 0 and stats.first_token_ts > 0
        ]
        return max(times, key=lambda time: time.queue_s, default=None)


class MeteredGenerations:
    """What makes an engine client's generations watched by the active :class:`RequestMeter`, if there is one. To be mixed in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._direct: weakref.WeakValueDictionary[str, DirectWrites] = weakref.WeakValueDictionary()

    def generate(self, prompt: Any, sampling_params: Any, request_id: str, **kwargs: Any) -> AsyncGenerator[Any, None]:
        meter = _active.get()
        if meter is not None and meter.name is not None:
            kwargs["session_id"] = meter.name
        generation: AsyncGenerator[Any, None]
        generation = super().generate(prompt, sampling_params, request_id, **kwargs)  # type: ignore[misc]  # the mixed-in one's
        if meter is None:
            return generation
        if meter.direct is not None:
            self._direct[request_id] = meter.direct
        return meter.watch(generation)

    async def add_request(self, request_id: str, *args: Any, **kwargs: Any) -> Any:
        collector = await super().add_request(request_id, *args, **kwargs)  # type: ignore[misc]  # the mixed-in one's
        if (direct := self._direct.pop(request_id, None)) is not None:
            direct.attach(collector)
        return collector


class MeteredAsyncLLM(MeteredGenerations, AsyncLLM):  # type: ignore[misc]  # vLLM is not typed
    """``AsyncLLM`` whose generations tell what they cost."""
