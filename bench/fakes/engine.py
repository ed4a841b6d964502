"""The same made-up answers behind the cluster's engine contract, in the process of the engine replica."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator

from bench.fakes.answer import BYTES_PER_TOKEN, Answer, prompt_tokens
from bench.fakes.cache import PrefixCache
from bench.fakes.profile import START_VARIABLE, Profile
from bench.fakes.slowness import Slowness
from bench.fakes.steps import StepClocks
from cluster.engine.contract import Engine, EngineRequest, EngineTiming, EngineUsage, Frame, PayloadSink
from cluster.runtime.served_engine import ServedEngine


class FakeEngine:
    """Implements :class:`~cluster.engine.contract.Engine`: a frame a token, at the pace that the prompt asks for.

    ``start_s``: how long it takes to start, in seconds.
    """

    def __init__(self, model: str, start_s: float = 0.0) -> None:
        self._model = model
        self._start_s = start_s
        self._clocks: StepClocks | None = None
        self._slowness = Slowness()
        self._cache = PrefixCache()

    async def start(self) -> None:
        await asyncio.sleep(self._start_s)
        self._clocks = StepClocks(asyncio.get_running_loop())

    async def check_health(self) -> None:
        assert self._clocks is not None

    async def stop(self) -> None:
        self._clocks = None

    async def generate(self, request: EngineRequest, sink: PayloadSink | None = None) -> AsyncGenerator[Frame, None]:
        assert self._clocks is not None
        began_s = time.monotonic()
        profile = Profile.find(request.body)
        answer = Answer(request.request_id, self._model, profile.tokens)
        cached = self._cache.take(request.body) // BYTES_PER_TOKEN
        usage = EngineUsage(prompt_tokens(request.body), profile.tokens, cached, answer.reasoning_tokens)
        if profile.ttft_us:
            await asyncio.sleep(profile.ttft_us / 1e6 * self._slowness.factor)
        timing = EngineTiming(queue_s=0.0, prefill_s=time.monotonic() - began_s)
        if not request.stream:
            yield Frame(payloads=[answer.body()], usage=usage, timing=timing)
            return
        stream = _Steps(answer, self._slowness)
        stream.step()
        if profile.tokens > 1:
            self._clocks.add(profile.step_us, stream.step)
        try:
            for _ in range(profile.tokens):
                yield Frame(payloads=await stream.take())
            yield Frame(usage=usage, timing=timing)
        finally:
            stream.abort()


class _Steps:
    """From the clock's turns to one that awaits them."""

    def __init__(self, answer: Answer, slowness: Slowness) -> None:
        self._payloads = answer.payloads()
        self._slowness = slowness
        self._turns = 0
        self._ready: asyncio.Queue[list[bytes]] = asyncio.Queue()
        self._aborted = False

    def step(self) -> bool:
        self._turns += 1
        if self._turns > 1 and self._turns % self._slowness.factor:
            return True
        batch = None if self._aborted else next(self._payloads, None)
        if batch is None:
            return False
        self._ready.put_nowait(batch)
        return True

    async def take(self) -> list[bytes]:
        return await self._ready.get()

    def abort(self) -> None:
        self._aborted = True


class FakeServedEngine(ServedEngine):
    """The cluster's engine replica with everything that it does around an engine, and a fake in the engine's place."""

    def _vllm(self, rank: int) -> Engine:
        return FakeEngine(self._model.id, float(os.environ.get(START_VARIABLE, "0")))
