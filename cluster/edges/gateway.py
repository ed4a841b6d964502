"""The gateway deployment: builds the inside for one replica and puts both edges in front of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import ray.util
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from cluster.admission.concurrency import ConcurrencyLimit
from cluster.config.schema import ClusterConfig
from cluster.edges.cluster_status import ClusterStatus
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.edges.http.app import build_app
from cluster.edges.readiness import ModelReadiness
from cluster.edges.realtime.client_secrets import SecretSealer
from cluster.edges.realtime.edge import RealtimeEdge
from cluster.edges.realtime.sessions import Sessions
from cluster.edges.refusals import Refusals
from cluster.edges.serve_ingress import shorten_ingress
from cluster.errors import OssatureError
from cluster.identity.authenticator import Authenticator
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.inference.cluster_inference import ClusterInference
from cluster.inference.prefix_planner import PrefixPlanner
from cluster.inference.recorder import ClusterRecorder
from cluster.inference.requests.limits import RequestLimits
from cluster.prompt_cache.salt import SaltDeriver
from cluster.realtime.driver.speech import NO_SPEECH
from cluster.realtime.protocol.server_events import RateLimit
from cluster.relay.channel.handshake import ChannelKey
from cluster.relay.handle import HandleRelay
from cluster.relay.loads import PROCESS_LOADS
from cluster.relay.replicas import PROCESS_VIEW
from cluster.relay.residency import PROCESS_TABLE
from cluster.relay.stepped import SteppedRelay
from cluster.routing.residency.table import ResidencyTable
from cluster.store.database import Database
from cluster.store.ledger import UsageLedger
from cluster.telemetry import logs
from cluster.telemetry.metrics import GatewayMetrics
from cluster.telemetry.realtime_metrics import RealtimeMetrics
from cluster.telemetry.relay_metrics import RelayMetrics


class Gateway(GrpcEdge):
    """One gateway replica. ``config`` is prepared: it names a secret and a database."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, config: ClusterConfig, engines: dict[str, DeploymentHandle], relay_host: str | None
    ) -> None:
        """``relay_host``: where to listen for engine replicas; ``None`` for the address that Ray knows this node by."""
        assert config.secret is not None
        assert config.database.url is not None
        logs.configure(config.logging, "gateway")
        shorten_ingress()
        self._config = config
        self._database = Database.open(config.database.url.get_secret_value(), config.database)
        self._ledger = UsageLedger(self._database)
        await self._ledger.start()
        self._authenticator = Authenticator(self._database, config.identity, time.monotonic)
        await self._authenticator.start()
        metrics = GatewayMetrics((model.id for model in config.models), max_organizations=config.metrics.max_organizations)
        self._refusals = Refusals(metrics)
        self._realtime_metrics = RealtimeMetrics()
        self._readiness = ModelReadiness(
            {model_id: handle.deployment_name for model_id, handle in engines.items()}, PROCESS_VIEW, metrics.replicas_ready
        )
        self._relay = await _started_relay(config, engines, relay_host or ray.util.get_node_ip_address())
        self._limit = ConcurrencyLimit(config.admission.max_concurrent_requests_per_organization)
        planner = PrefixPlanner(
            SaltDeriver(config.secret.get_secret_value().encode(), config.prompt_cache, time.time),
            config.prompt_cache,
            config.routing,
            lambda model: len(self._readiness.replicas(model)),
        )
        self._inference = ClusterInference(
            models={model.id: model for model in config.models},
            relay=self._relay,
            planner=planner,
            limit=self._limit,
            max_in_progress=config.gateway.max_ongoing_requests,
            recorder=ClusterRecorder(metrics, self._ledger, planner.remembered_blocks),
            admission=config.admission,
            has_replica=self._readiness.has_replica,
        )
        super().__init__(
            inference=self._inference,
            authenticate=self._authenticator.authenticate,
            readiness=self._readiness.is_ready,
            max_request_bytes=config.http.max_body_bytes,
            write_timeout_s=config.grpc.write_timeout_s,
            limits=RequestLimits(max_json_depth=config.http.max_json_depth),
            on_refusal=self._refusals.refused,
        )
        self._status = ClusterStatus(config, self._readiness, serve.get_replica_context().replica_id.unique_id)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return build_app(
            inference=self._inference,
            authenticate=self._authenticator.authenticate,
            directory=Directory(self._database),
            settings=self._config.http,
            readiness=self._readiness.report,
            status=self._status.report,
            on_refusal=self._on_refusal("http"),
            realtime=self._realtime_edge() if self._config.realtime.enabled else None,
        )

    def _realtime_edge(self) -> RealtimeEdge:
        assert self._config.secret is not None
        hearing = {model.id for model in self._config.models if model.audio_input}
        sessions = Sessions(self._inference, NO_SPEECH, self._config.realtime, self._realtime_metrics, self._rate_limits, hearing)
        sealer = SecretSealer.of(self._config.secret.get_secret_value().encode())
        identity = self._authenticator
        return RealtimeEdge(sessions, sealer, identity.authenticate, identity.holder, self._on_refusal("realtime"))

    def _on_refusal(self, edge: str) -> Callable[[Principal | None, OssatureError], None]:
        return lambda principal, error: self._refusals.refused(edge, principal.org_id if principal else "", error)

    def _rate_limits(self, principal: Principal) -> list[RateLimit]:
        """The one limit that there is: requests at a time. Places come back with the requests, not with time."""
        limit = self._config.admission.max_concurrent_requests_per_organization
        remaining = max(0, limit - self._limit.in_progress(principal.org_id))
        return [RateLimit(name="requests", limit=limit, remaining=remaining, reset_seconds=0.0)]

    async def __del__(self) -> None:
        await asyncio.gather(self._authenticator.close(), self._ledger.close(), self._relay.close())
        await self._database.close()


async def _started_relay(config: ClusterConfig, engines: dict[str, DeploymentHandle], host: str) -> HandleRelay | SteppedRelay:
    assert config.secret is not None
    metrics = RelayMetrics()
    if config.relay.implementation == "handle":
        return HandleRelay(engines)
    key = ChannelKey.of(config.secret.get_secret_value().encode())
    relay = SteppedRelay(engines, config.relay, key, metrics, _residency(config), PROCESS_LOADS)
    await relay.start(host)
    return relay


def _residency(config: ClusterConfig) -> ResidencyTable | None:
    if config.routing.index == "soft":
        return None
    PROCESS_TABLE.capacity = config.routing.index_entries
    return PROCESS_TABLE
