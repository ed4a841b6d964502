"""The inside for one process: all that it takes to ask the cluster's models in an organization's name, and to account for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from ray.serve.handle import DeploymentHandle

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.schema import ClusterConfig
from cluster.edges.readiness import ModelReadiness
from cluster.edges.storage import Storage
from cluster.images.fetch import ImageFetcher
from cluster.inference.chat_images import ChatImages
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.inference.recorder import ClusterRecorder
from cluster.prompt_cache.salt import SaltDeriver
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.handle import HandleRelay
from cluster.relay.loads import PROCESS_LOADS
from cluster.relay.replicas import PROCESS_VIEW
from cluster.relay.residency import PROCESS_TABLE
from cluster.relay.stepped import SteppedRelay
from cluster.routing.residency.table import ResidencyTable
from cluster.store.database import Database
from cluster.store.ledger import UsageLedger
from cluster.telemetry.metrics import GatewayMetrics
from cluster.telemetry.relay_metrics import RelayMetrics
from cluster.telemetry.storage_metrics import StorageMetrics
from cluster.telemetry.tracing.span import UNTRACED, Tracer


class Inside:
    """One a process: its metrics can't be made twice. Made by :meth:`opened`."""

    def __init__(
        self,
        config: ClusterConfig,
        engines: Mapping[str, DeploymentHandle],
        database: Database,
        storage: Storage,
        ledger: UsageLedger,
        metrics: GatewayMetrics,
        relay: HandleRelay | SteppedRelay,
        tracer: Tracer,
    ) -> None:
        self.database = database
        self.storage = storage
        self.metrics = metrics
        self.readiness = ModelReadiness(
            {model_id: handle.deployment_name for model_id, handle in engines.items()}, PROCESS_VIEW, self.metrics.replicas_ready
        )
        self.limit = ConcurrencyLimit(config.admission.max_concurrent_requests_per_organization)
        planner = PrefixPlanner(
            SaltDeriver(config.secret_generations[0], config.prompt_cache, time.time),
            config.prompt_cache,
            config.routing,
            lambda model: len(self.readiness.replicas(model)),
        )
        self.recorder = ClusterRecorder(self.metrics, ledger, planner.remembered_blocks)
        self._image_fetcher = ImageFetcher(config.images)
        self.inference = ClusterInference(
            models={model.id: model for model in config.models},
            relay=relay,
            planner=planner,
            limit=self.limit,
            max_in_progress=config.gateway.max_ongoing_requests,
            recorder=self.recorder,
            admission=config.admission,
            has_replica=self.readiness.has_replica,
            keeper=storage.keeper,
            tuned=storage.tuned_lookup(),
            tracer=tracer,
            images=ChatImages(config.images, self._image_fetcher) if any(model.image_input for model in config.models) else None,
        )
        self._ledger = ledger
        self._relay = relay

    @classmethod
    async def opened(
        cls, config: ClusterConfig, engines: dict[str, DeploymentHandle], relay_host: str, tracer: Tracer = UNTRACED
    ) -> Inside:
        """``relay_host``: the address to listen on for engine replicas. ``config`` is prepared: it has a secret and a database.

        ``tracer`` is the caller's to close, after this.
        """
        assert config.database.url is not None
        database = Database.open(config.database.url.get_secret_value(), config.database)
        storage = Storage(config, database, StorageMetrics())
        metrics = GatewayMetrics((model.id for model in config.models), max_organizations=config.metrics.max_organizations)
        late = config.database.max_late_usage_rows
        ledger = UsageLedger(database, storage.commits, max_late=late, on_late=metrics.ledger_rows_late)
        await ledger.start()
        storage.start()
        return cls(config, engines, database, storage, ledger, metrics, await _started_relay(config, engines, relay_host), tracer)

    async def close(self) -> None:
        """Write what waits, and end. What uses it must have ended."""
        # The ledger first: what it has late goes through the storage's writer.
        await self._ledger.close()
        await asyncio.gather(self.storage.close(), self._relay.close(), self._image_fetcher.close())
        await self.database.close()


async def _started_relay(config: ClusterConfig, engines: dict[str, DeploymentHandle], host: str) -> HandleRelay | SteppedRelay:
    metrics = RelayMetrics()
    if config.relay.implementation == "handle":
        return HandleRelay(engines)
    key = ChannelKey.of(*config.secret_generations)
    relay = SteppedRelay(engines, config.relay, key, metrics, _residency(config), PROCESS_LOADS)
    await relay.start(host)
    return relay


def _residency(config: ClusterConfig) -> ResidencyTable | None:
    if config.routing.index == "soft":
        return None
    PROCESS_TABLE.capacity = config.routing.index_entries
    return PROCESS_TABLE
