"""The engine replica inside Ray Serve: metrics, logs and the start-up board around :class:`EngineReplica`."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import ray
from ray import serve

from cluster import heap
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RelaySettings, RoutingSettings
from cluster.config.settings.telemetry import LoggingSettings, TracingSettings
from cluster.engine.deployment import EngineReplica
from cluster.engine.isolation_watch import IsolationWatch
from cluster.engine.residency import Residency
from cluster.engine.stored_weights import PlacedWeights, place
from cluster.relay.channel.calls import Calls
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.channel.load_pump import LoadPump
from cluster.relay.channel.replica_end import Dialer
from cluster.relay.channel.replies import Replies
from cluster.relay.channel.residency_pump import ResidencyPump
from cluster.runtime import supervisor
from cluster.runtime.serve_gate import ServeGate
from cluster.store.objects.opening import folder_of, open_storage
from cluster.telemetry import logs
from cluster.telemetry.metrics import EngineMetrics
from cluster.telemetry.residency_metrics import ResidencyMetrics
from cluster.telemetry.tracing.opening import open_tracer
from cluster.tuned.places import TunedPlaces
from cluster.tuned.weights import StoredWeights

logger = logging.getLogger(__name__)

_EPOCH_MARGIN_S = 3600.0


class _Board:
    """The supervisor's board, if there is one: a cluster without it starts as well, only less visibly."""

    def __init__(self, replica: str, model: str) -> None:
        self._replica = replica
        self._keeper: Any = None
        try:
            self._keeper = supervisor.find()
        except ValueError:
            logger.warning("no supervisor is running; the cold start of %s is only logged", replica)
        else:
            self._keeper.begin.remote(replica, model, os.getpid(), time.time())

    def phase(self, phase: str, seconds: float) -> None:
        if self._keeper is not None:
            self._keeper.phase.remote(self._replica, phase, seconds)

    def done(self) -> None:
        if self._keeper is not None:
            self._keeper.done.remote(self._replica)


class _Observer:
    """Implements :class:`~cluster.engine.observer.EngineObserver` with Prometheus and the board."""

    def __init__(self, metrics: EngineMetrics, board: _Board) -> None:
        self._metrics = metrics
        self._board = board

    def cross_org_hit(self, model: str) -> None:
        self._metrics.cross_org_hit(model)

    def isolation_judged(self, model: str) -> None:
        self._metrics.isolation_judged(model)

    def cold_start_phase(self, model: str, phase: str, seconds: float) -> None:
        self._metrics.cold_start_phase(model, phase, seconds)
        self._board.phase(phase, seconds)

    def engine_died(self, model: str) -> None:
        self._metrics.engine_died(model)

    def stream_begun(self, model: str, front_end: str) -> None:
        self._metrics.stream_begun(model, front_end)

    def adapter_loaded(self, model: str, seconds: float) -> None:
        self._metrics.adapter_loaded(model, seconds)

    def adapter_failed(self, model: str) -> None:
        self._metrics.adapter_failed(model)

    def adapters_held(self, model: str, count: int) -> None:
        self._metrics.adapters_held(model, count)

    def adapter_files(self, model: str, size_bytes: int) -> None:
        self._metrics.adapter_files(model, size_bytes)


class ServedEngine(EngineReplica):
    """One replica of an ``engine:<model>`` deployment."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self,
        model: ModelSettings,
        relay: RelaySettings,
        logging_settings: LoggingSettings,
        longest_retention_s: float,
        channel_key: ChannelKey | None,
        routing: RoutingSettings,
        tuned: TunedPlaces | None = None,
        tracing: TracingSettings | None = None,
    ) -> None:
        """``tuned``: where the files of tuned models are; ``None`` where the model neither takes nor is one.

        ``tracing``: ``None`` for off.
        """
        context = serve.get_replica_context()
        replica_id = context.replica_id.unique_id
        logs.configure(logging_settings, f"engine:{model.id}", replica=replica_id)
        board = _Board(replica_id, model.id)
        self._spans = await open_tracer(tracing, f"engine:{model.id}", replica_id)
        storage = open_storage(tuned.storage_url, tuned.default_folder) if tuned is not None else None
        self._weights: PlacedWeights | None = None
        if (weights := StoredWeights.parse(model.source)) is not None:
            assert tuned is not None, "the application gives such a model the places of tuned ones"
            assert storage is not None
            stored_in = folder_of(tuned.storage_url, tuned.default_folder)
            self._weights = await place(weights, storage, stored_in, tuned.cache_folder / "merged")
            model = model.model_copy(update={"source": str(self._weights.folder)})
        dialer = replies = residency = None
        self._pump: ResidencyPump | None = None
        self._load_pump: LoadPump | None = None
        if channel_key is not None:
            dialer = Dialer(replica_id, channel_key, relay.max_request_bytes, relay.peer_timeout_s)
            replies = Replies(dialer, relay.max_request_bytes)
            gate = ServeGate.of_this_process()
            if gate is not None:
                dialer.calls = Calls(gate, relay.max_request_bytes)
        if routing.index == "precise" and dialer is not None:
            residency = Residency(model.id, routing.block_bytes, routing.index_entries, ResidencyMetrics([model.id]))
            self._pump = ResidencyPump(residency, dialer, routing.report_period_s)
        super().__init__(
            model,
            relay,
            rank=context.rank.rank,
            observer=_Observer(EngineMetrics([model.id]), board),
            # A salt comes back for as long as its epoch lasts; the watch must remember it a little longer.
            watch=IsolationWatch(longest_retention_s + _EPOCH_MARGIN_S),
            replies=replies,
            residency=residency,
            adapter_storage=storage,
            adapter_folder=tuned.cache_folder if tuned is not None else None,
            tracer=self._spans,
        )
        if dialer is not None:
            self._load_pump = LoadPump(self.load, dialer, routing.load_period_s)
            self.load.on_change = self._load_pump.changed
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        if self._pump is not None:
            self._pump.start()
        heap.settle()
        board.done()
        logger.info("replica %s on node %s is ready", replica_id, ray.get_runtime_context().get_node_id())

    async def stop(self) -> None:
        if self._load_pump is not None:
            self._load_pump.stop()
        if self._pump is not None:
            await self._pump.stop()
        await super().stop()
        if self._weights is not None:
            self._weights.release()
        await self._spans.close()

    async def __del__(self) -> None:
        await self.stop()
