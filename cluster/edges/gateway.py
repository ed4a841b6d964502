"""The gateway deployment: builds the inside for one replica and puts both edges in front of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import ray.util
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from cluster import heap
from cluster.config.schema import ClusterConfig
from cluster.edges.cluster_status import ClusterStatus
from cluster.edges.grpc.servicer import GrpcEdge
from cluster.edges.http.app import build_app
from cluster.edges.http.fine_tuning import FineTuningEndpoints
from cluster.edges.inside import Inside
from cluster.edges.realtime.client_secrets import SecretSealer
from cluster.edges.realtime.edge import RealtimeEdge
from cluster.edges.realtime.sessions import Sessions
from cluster.edges.refusals import Refusals
from cluster.edges.serve_ingress import shorten_ingress
from cluster.edges.speech_access import SpeechAccess
from cluster.errors import OssatureError
from cluster.identity.audit import AuditLog
from cluster.identity.authenticator import Authenticator
from cluster.identity.directory import Directory
from cluster.identity.principal import Principal
from cluster.inference.requests.limits import RequestLimits
from cluster.jobs.census import JobCensus
from cluster.jobs.service import Jobs
from cluster.realtime.driver.speech import NO_SPEECH
from cluster.realtime.protocol.server_events import RateLimit
from cluster.speech.contract import VoiceActivityDetector
from cluster.speech.errors import SpeechUnavailable
from cluster.speech.serve_calls import ServeSpeechCalls
from cluster.spoken.audio_ids import AudioIds
from cluster.spoken.speech import Speech
from cluster.telemetry import logs
from cluster.telemetry.job_metrics import JobCensusMetrics
from cluster.telemetry.realtime_metrics import RealtimeMetrics
from cluster.telemetry.speech_metrics import SpeechMetrics
from cluster.telemetry.tracing.opening import open_tracer


class Gateway(GrpcEdge):
    """One gateway replica. ``config`` is prepared: it names a secret and a database."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self,
        config: ClusterConfig,
        engines: dict[str, DeploymentHandle],
        relay_host: str | None,
        speech: DeploymentHandle | None = None,
        jobs: DeploymentHandle | None = None,
    ) -> None:
        """``relay_host``: where to listen for engine replicas; ``None`` for the address that Ray knows this node by.

        ``speech``: the speech deployment; ``None`` where there is none, and sessions are in writing. ``jobs``: deployed beside the
        gateway, which does not call it: they meet in the database.
        """
        replica_id = serve.get_replica_context().replica_id.unique_id
        logs.configure(config.logging, "gateway", replica=replica_id)
        shorten_ingress()
        self._config = config
        self._tracer = await open_tracer(config.tracing, "gateway", replica_id)
        self._inside = inside = await Inside.opened(config, engines, relay_host or ray.util.get_node_ip_address(), self._tracer)
        self._database, self._storage, self._limit = inside.database, inside.storage, inside.limit
        self._inference, self._recorder, self._readiness = inside.inference, inside.recorder, inside.readiness
        self._authenticator = Authenticator(self._database, config.identity, time.monotonic)
        await self._authenticator.start()
        # One for both edges, so that a watch hears at once of what is done here.
        self._jobs = Jobs(self._database, config.jobs)
        self._job_census = JobCensus(self._database, JobCensusMetrics())
        self._job_census.start()
        self._refusals = Refusals(inside.metrics)
        self._realtime_metrics = RealtimeMetrics()
        self._speech_metrics = SpeechMetrics()
        self._speech = await SpeechAccess.opened(config.speech, ServeSpeechCalls(speech)) if speech is not None else None
        self._hearing_models = frozenset(model.id for model in config.models if model.audio_input)
        # One for both edges: its places are the gateway's.
        self._sessions = self._realtime_sessions() if config.realtime.enabled else None
        super().__init__(
            inference=self._inference,
            authenticate=self._authenticator.authenticate,
            readiness=self._readiness.is_ready,
            max_request_bytes=config.http.max_body_bytes,
            write_timeout_s=config.grpc.write_timeout_s,
            limits=RequestLimits(max_json_depth=config.http.max_json_depth, store=self._storage.keeper is not None),
            on_refusal=self._refusals.refused,
            realtime=self._sessions,
            kept=self._storage.kept(self._inference, self._jobs),
            max_watches=config.grpc.max_watches_per_organization,
            tracer=self._tracer,
        )
        catalogue = self._speech.catalogue if self._speech is not None else None
        self._status = ClusterStatus(config, self._readiness, replica_id, catalogue)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        audit = AuditLog(self._database)
        app = build_app(
            inference=self._inference,
            authenticate=self._authenticator.authenticate,
            directory=Directory(self._database, audit),
            settings=self._config.http,
            readiness=self._readiness.report,
            status=self._status.report,
            on_refusal=self._on_refusal("http"),
            realtime=self._realtime_edge(self._sessions) if self._sessions is not None else None,
            speech=self._audio_requests(),
            stored=self._storage.stored_endpoints(),
            files=self._storage.file_endpoints(),
            evals=self._storage.eval_endpoints(self._inference, self._jobs),
            fine_tuning=FineTuningEndpoints(self._storage.fine_tuning(self._jobs)),
            audit=audit,
            tracer=self._tracer,
        )
        heap.settle()
        return app

    def _audio_requests(self) -> Speech | None:
        """``None`` where there is neither a speech deployment nor a model that hears."""
        access = self._speech
        if access is None and not self._hearing_models:
            return None
        return Speech(
            recognizer=access.stack.recognizer if access is not None else None,
            synthesizer=access.stack.synthesizer if access is not None else None,
            vad=access.vad if access is not None else _no_vad,
            settings=self._config.speech,
            limit=self._limit,
            recorder=self._recorder,
            observer=self._speech_metrics,
            audio_ids=AudioIds.of(*self._config.secret_generations),
            request_timeout_s=self._config.admission.request_timeout_s,
            hearing_models=self._hearing_models,
        )

    def _realtime_sessions(self) -> Sessions:
        speech = self._speech.stack if self._speech is not None else NO_SPEECH
        settings, hearing = self._config.realtime, self._hearing_models
        return Sessions(self._inference, speech, settings, self._realtime_metrics, self._rate_limits, hearing)

    def _realtime_edge(self, sessions: Sessions) -> RealtimeEdge:
        sealer = SecretSealer.of(*self._config.secret_generations)
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
        if self._speech is not None:
            await self._speech.close()
        await asyncio.gather(self._authenticator.close(), self._job_census.close())
        await self._inside.close()
        await self._tracer.close()


def _no_vad() -> VoiceActivityDetector:
    raise SpeechUnavailable("This cluster has no recognizer.")
