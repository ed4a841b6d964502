"""One engine replica as Ray Serve hosts it: streams frames to gateways, answers health checks, counts its load.

A plain class: ``cluster/app.py`` makes the deployment of it. It works with any :class:`~cluster.engine.contract.Engine`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings
from cluster.engine.adapters.folder import AdapterFolder, claim
from cluster.engine.adapters.loading import Held
from cluster.engine.coalesce import coalesced
from cluster.engine.cold_start import PhaseReport
from cluster.engine.contract import Engine, EngineRequest, Frame, PayloadSink
from cluster.engine.isolation_watch import IsolationWatch, Observation
from cluster.engine.observer import EngineObserver, SilentObserver
from cluster.engine.prompt_waits import PromptWaits
from cluster.engine.residency import Residency
from cluster.engine.tracing import traced
from cluster.relay.channel.replies import Replies
from cluster.relay.channel.reply import Reply
from cluster.routing.adapters import adapter_tag
from cluster.routing.pending import PendingPrompts
from cluster.routing.ticket import ArrivedTicket
from cluster.store.objects.contract import ObjectStorage
from cluster.telemetry.tracing.span import UNTRACED, Tracer

logger = logging.getLogger("ossature.engine.replica")

_NOTHING: tuple[None, ...] = ()


class EngineReplica:
    """Hosts one engine. ``rank`` is the replica's number among those of its model (Serve's replica rank).

    ``engine`` is vLLM unless given. ``replies``: the replica's end of the channels to gateways, for :meth:`open` alone.
    ``adapter_storage``: where adapters of tuned models come from, if the model takes any; they are kept under ``adapter_folder``.
    """

    def __init__(
        self,
        model: ModelSettings,
        relay: RelaySettings,
        *,
        rank: int = 0,
        observer: EngineObserver | None = None,
        engine: Engine | None = None,
        watch: IsolationWatch | None = None,
        residency: Residency | None = None,
        replies: Replies | None = None,
        adapter_storage: ObjectStorage | None = None,
        adapter_folder: Path | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._model = model
        self._relay = relay
        self._observer = observer or SilentObserver()
        self._watch = watch or IsolationWatch()
        self._residency = residency
        self._replies = replies
        self._adapter_lock: BinaryIO | None = None
        self._adapter_storage = adapter_storage
        self._adapter_folder = adapter_folder
        self._tracer = tracer
        self.load = PendingPrompts()
        self._waits = PromptWaits(model.autoscaling.target_ttft_ms if model.autoscaling is not None else None)
        self._engine = engine or self._vllm(rank)
        self._encoder = msgspec.msgpack.Encoder()
        self._running = 0
        self._waiting = 0
        self._death_reported = False

    def _vllm(self, rank: int) -> Engine:
        from cluster.engine.vllm.engine import VllmEngine

        return VllmEngine(
            self._model,
            rank=rank,
            on_phase=self._phase_ended,
            on_stream=self._stream_begun,
            residency=self._residency,
            adapter_files=self._adapter_files(),
            on_adapters=self._adapters_changed,
            adapter_observer=self._observer,
        )

    def _adapter_files(self) -> AdapterFolder | None:
        if self._adapter_storage is None or self._adapter_folder is None or not self._model.adapters.enabled:
            return None
        slot, self._adapter_lock = claim(self._adapter_folder / hashlib.sha256(self._model.id.encode()).hexdigest()[:16])
        on_size = partial(self._observer.adapter_files, self._model.id)
        return AdapterFolder(slot, self._adapter_storage, self._model.adapters.cache_bytes, on_size)

    def _adapters_changed(self, held: Held) -> None:
        self.load.adapters_changed(tuple([adapter_tag(name) for name in held.names]), held.load_ms)

    def _phase_ended(self, report: PhaseReport) -> None:
        self._observer.cold_start_phase(self._model.id, report.phase, report.seconds)

    def _stream_begun(self, front_end: str) -> None:
        self._observer.stream_begun(self._model.id, front_end)

    async def start(self) -> None:
        """Load the model and warm it up. Raises when the engine can't serve."""
        await self._engine.start()

    async def stop(self) -> None:
        """End every process of the engine, and the channels to gateways. Idempotent."""
        try:
            await self._engine.stop()
        finally:
            if self._adapter_lock is not None:
                self._adapter_lock.close()
            if self._replies is not None:
                await self._replies.close()

    async def check_health(self) -> None:
        """Called by Serve. Raises when the engine is dead: Serve then replaces this replica."""
        try:
            await self._engine.check_health()
        except Exception:
            if not self._death_reported:
                self._death_reported = True
                self._observer.engine_died(self._model.id)
            raise

    def record_routing_stats(self) -> dict[str, Any]:
        """Called by Serve for its request routers: requests that produce tokens and those that have none yet, and what gateways
        should know of each other's work (``cluster.routing.pending``).
        """
        return {
            "running": self._running,
            "waiting": self._waiting,
            **self.load.stats(time.monotonic()),
        }

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve for its autoscaling, every few seconds where that is configured: ``PromptWaits.stats``."""
        return self._waits.stats(time.monotonic())

    async def stream(self, request: EngineRequest, ticket: ArrivedTicket | None = None) -> AsyncGenerator[bytes, None]:
        """Answer a request with frames in MessagePack: the first at once, later ones hold what has piled up since.

        ``ticket`` is what the router left in the arguments of the call. Closing the generator aborts the request.
        """
        async with aclosing(coalesced(self._observed(request, ticket=ticket), self._relay.max_buffered_bytes)) as frames:
            async for frame in frames:
                yield self._encoder.encode(frame)

    async def open(self, call: bytes, ticket: ArrivedTicket | None = None) -> AsyncGenerator[bytes, None]:
        """Answer a request over the channel to its gateway (``relay/channel``). Yields one item, then lasts as long as the answer.

        ``ticket`` as for :meth:`stream`. Closing the generator aborts the request, and so does the end of the channel.
        """
        if self._replies is None:
            raise RuntimeError("this replica was started for the relay over handles")
        async with aclosing(self._replies.answer(call, partial(self._observed, ticket=ticket))) as items:
            async for item in items:
                yield item

    async def reply(self, reply: Reply, ticket: ArrivedTicket) -> AsyncGenerator[None, None]:
        """Answer a request that came over a channel. Yields nothing, and lasts as long as the answer; else as :meth:`open`."""
        await reply.run(partial(self._observed, ticket=ticket))
        for item in _NOTHING:
            yield item

    def _observed(
        self, request: EngineRequest, sink: PayloadSink | None = None, *, ticket: ArrivedTicket | None
    ) -> AsyncGenerator[Frame, None]:
        """As :meth:`_counted`, with spans for a request that is traced."""
        frames = self._counted(request, sink, ticket)
        if request.trace is None or not self._tracer.on:
            return frames
        return traced(self._tracer, self._model.id, request, request.trace, frames)

    async def _counted(
        self, request: EngineRequest, sink: PayloadSink | None, ticket: ArrivedTicket | None
    ) -> AsyncGenerator[Frame, None]:
        """The engine's frames, counted and judged on the way. What goes to ``sink`` is neither a first nor a last one."""
        now_s = time.monotonic()
        self.load.arrived(request.request_id, ticket, now_s)
        self._waits.arrived(request.request_id, now_s, forced_off=ticket is not None and ticket.forced_off)
        if self._residency is not None and ticket is not None:
            self._residency.expect(request.request_id, request.org_tag, ticket.chain, ticket.prompt_bytes)
        observation = self._watch.begin(request.org_tag, request.cache_salt, alone=_is_alone(request.body))
        self._waiting += 1
        started = False
        try:
            async with aclosing(self._engine.generate(request, sink)) as frames:
                async for frame in frames:
                    if not started:
                        started = True
                        self._waiting -= 1
                        self._running += 1
                        now_s = time.monotonic()
                        self.load.computed(request.request_id, now_s)
                        self._waits.first_token(request.request_id, now_s)
                    if frame.usage is not None:
                        self._judge(request, observation, frame.usage.cached_tokens)
                    yield frame
        finally:
            now_s = time.monotonic()
            self.load.ended(request.request_id, now_s)
            self._waits.ended(request.request_id, now_s)
            if self._residency is not None:
                self._residency.ended(request.request_id)
            self._watch.drop(observation)
            if started:
                self._running -= 1
            else:
                self._waiting -= 1

    def _judge(self, request: EngineRequest, observation: Observation, cached_tokens: int) -> None:
        if self._watch.end(observation, cached_tokens):
            logger.critical(
                "request %s found %d cached tokens that its organization can't have put there",
                request.request_id,
                cached_tokens,
                extra={"answer_id": request.request_id},
            )
            self._observer.cross_org_hit(self._model.id)
        if observation.judged:
            self._observer.isolation_judged(self._model.id)


class _Shape(msgspec.Struct):
    n: int | None = None
    prompt: msgspec.Raw = msgspec.Raw(b"")


def _is_alone(body: bytes) -> bool:
    """Whether a request has one prompt and one sequence: others can find their own blocks in the cache."""
    try:
        shape = msgspec.json.decode(body, type=_Shape)
    except msgspec.DecodeError:
        return False
    return (shape.n or 1) == 1 and not bytes(shape.prompt).lstrip().startswith(b"[")
