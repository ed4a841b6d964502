"""The Ray Serve application: every deployment of the cluster and how it scales, in one place.

| Deployment       | Holds                                                  |
|------------------|--------------------------------------------------------|
| `gateway`        | HTTP and gRPC edges, identity, admission, router       |
| `engine:<model>` | one vLLM engine per replica, sharded by its placement  |
| `speech`         | recognizer and synthesizer, for sessions and audio     |
| `jobs`           | the worker of durable jobs, with the same router       |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from ray.serve.schema import LoggingConfig

from cluster.config.schema import ClusterConfig
from cluster.config.settings.models import ModelSettings
from cluster.config.settings.routing import RoutingSettings
from cluster.edges.gateway import Gateway
from cluster.engine.placement import place
from cluster.job_handlers import JOB_HANDLERS, HandlerFactory, switched_on
from cluster.relay.channel.handshake import ChannelKey
from cluster.runtime.serve_environment import is_confined
from cluster.runtime.served_engine import ServedEngine
from cluster.runtime.served_jobs import ServedJobs
from cluster.runtime.served_scaling import autoscaling_config
from cluster.runtime.served_speech import ServedSpeech
from cluster.tuned.places import TunedPlaces
from cluster.tuned.weights import StoredWeights

NAME = "ossature"
GATEWAY = "gateway"
SPEECH = "speech"
JOBS = "jobs"
_ROUTER = "cluster.inference.request_router:PrefixRouter"
_SPEECH_ROUTER = "cluster.speech.serve_calls:SpeechRouter"
_LOOPBACK = "127.0.0.1"
#: Requests that need no engine (health, models, administration) find a place also on a full gateway.
_BESIDES_INFERENCE = 100
#: How long a request that found every replica full waits before it asks again, at most.
_MAX_BACKOFF_S = 0.1
#: Per cent of its replicas that a deployment may have beyond them while they are exchanged; rounded up, that is one.
_ONE_MORE = 1
#: Beyond the grace that jobs have to leave off: to give the leases back and close the database.
_JOBS_CLOSING_S = 15.0
#: Serve writes a line for each request into files of its own; the gateway's own line says more.
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)


def engine_deployment_name(model_id: str) -> str:
    return f"engine:{model_id}"


def metrics_directory(config: ClusterConfig) -> Path:
    return config.data_dir / "metrics"


def build(
    config: ClusterConfig,
    engine_replica: type[ServedEngine] = ServedEngine,
    job_handlers: Mapping[str, HandlerFactory] = JOB_HANDLERS,
) -> Application:
    """The application of a prepared configuration (``runtime.preparation``).

    ``engine_replica``: what hosts the engines. ``job_handlers``: by kind of job; without any, there is no worker either.
    """
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(metrics_directory(config))}
    engines = {model.id: _engine(engine_replica, model, config, environment) for model in config.models}
    gateway = serve.deployment(serve.ingress()(Gateway)).options(
        name=GATEWAY,
        logging_config=_QUIET,
        num_replicas=config.gateway.replicas,
        # A gateway's successor comes first, but for gateways that are bound to nodes: those have no room for one more.
        max_surge_percent=0 if config.gateway.resources else _ONE_MORE,
        # Above the limit that the gateway keeps itself: its own refusal has OpenAI's shape and a Retry-After, Serve's has not.
        max_ongoing_requests=2 * config.gateway.max_ongoing_requests + _BESIDES_INFERENCE,
        graceful_shutdown_timeout_s=config.gateway.graceful_shutdown_timeout_s,
        health_check_period_s=2,
        health_check_timeout_s=30,
        ray_actor_options={
            "num_cpus": config.gateway.num_cpus,
            "resources": config.gateway.resources,
            "runtime_env": {"env_vars": environment},
        },
    )
    # Elsewhere gateways listen for engine replicas on their node's address, since those may be on another one.
    relay_host = _LOOPBACK if is_confined(config) else None
    speech = _speech(config, environment) if config.speech.enabled else None
    handlers = switched_on(config, job_handlers)
    jobs = _jobs(config, engines, relay_host, handlers, environment) if handlers else None
    return gateway.bind(_without_admin_key(config), engines, relay_host, speech, jobs)


def _jobs(
    config: ClusterConfig,
    engines: dict[str, Application],
    relay_host: str | None,
    handlers: Mapping[str, HandlerFactory],
    environment: dict[str, str],
) -> Application:
    settings = config.jobs
    deployment = serve.deployment(ServedJobs).options(
        name=JOBS,
        logging_config=_QUIET,
        # More would do no harm: they take turns in the database.
        num_replicas=1,
        graceful_shutdown_timeout_s=settings.stop_grace_s + _JOBS_CLOSING_S,
        health_check_period_s=5,
        health_check_timeout_s=30,
        ray_actor_options={
            "num_cpus": settings.num_cpus,
            "resources": settings.resources,
            "runtime_env": {"env_vars": environment},
        },
    )
    return deployment.bind(_without_admin_key(config), engines, relay_host, dict(handlers))


def _without_admin_key(config: ClusterConfig) -> ClusterConfig:
    """The key is in the database by now, as a hash; no gateway needs it."""
    return config.model_copy(update={"identity": config.identity.model_copy(update={"admin_key": None})})


def _engine(
    engine_replica: type[ServedEngine], model: ModelSettings, config: ClusterConfig, environment: dict[str, str]
) -> Application:
    placement = place(model)
    actor: dict[str, Any] = {
        "num_cpus": placement.num_cpus,
        "num_gpus": placement.num_gpus,
        "resources": placement.resources,
        "runtime_env": {"env_vars": environment | model.environment},
    }
    options: dict[str, Any] = {}
    if placement.bundles:
        options = {"placement_group_bundles": placement.bundles, "placement_group_strategy": placement.strategy}
    deployment = serve.deployment(engine_replica).options(
        name=engine_deployment_name(model.id),
        logging_config=_QUIET,
        **_scale(model),
        max_surge_percent=_ONE_MORE if model.upgrade == "surge" else 0,
        max_ongoing_requests=model.max_ongoing_requests,
        max_queued_requests=model.max_queued_requests,
        graceful_shutdown_timeout_s=model.graceful_shutdown_timeout_s,
        health_check_period_s=model.health_check_period_s,
        health_check_timeout_s=model.health_check_timeout_s,
        ray_actor_options=actor,
        request_router_config=RequestRouterConfig(
            request_router_class=_ROUTER,
            request_router_kwargs={**_router_arguments(config.routing), "adapter_load_ms": model.adapters.load_ms},
            request_routing_stats_period_s=config.routing.report_period_s,
            max_backoff_s=_MAX_BACKOFF_S,
        ),
        **options,
    )
    # The engine needs neither the cluster's secret nor its database: what it is given can't be turned back into the secret.
    key = ChannelKey.of(*config.secret_generations) if config.relay.implementation == "stepped" else None
    retention_s = config.prompt_cache.extended_period_s
    needs_store = model.adapters.enabled or StoredWeights.parse(model.source) is not None
    tuned = TunedPlaces.of(config) if needs_store else None
    tracing = config.tracing if config.tracing.endpoint is not None else None
    return deployment.bind(model, config.relay, config.logging, retention_s, key, config.routing, tuned, tracing)


def _scale(model: ModelSettings) -> dict[str, Any]:
    """Ray Serve takes a number of replicas or the limits of one, never both."""
    scaling = model.autoscaling
    return {"num_replicas": model.replicas} if scaling is None else {"autoscaling_config": autoscaling_config(scaling)}


def _speech(config: ClusterConfig, environment: dict[str, str]) -> Application:
    speech = config.speech
    actor = {
        "num_cpus": speech.num_cpus,
        "num_gpus": speech.num_gpus,
        "resources": speech.resources,
        "runtime_env": {"env_vars": environment},
    }
    deployment = serve.deployment(ServedSpeech).options(
        name=SPEECH,
        logging_config=_QUIET,
        num_replicas=speech.replicas,
        # An utterance that is heard holds one place for as long as it lasts, and a second one whenever it is spoken to.
        max_ongoing_requests=2 * speech.max_ongoing_requests,
        graceful_shutdown_timeout_s=speech.graceful_shutdown_timeout_s,
        health_check_period_s=5,
        health_check_timeout_s=30,
        ray_actor_options=actor,
        request_router_config=RequestRouterConfig(request_router_class=_SPEECH_ROUTER, max_backoff_s=_MAX_BACKOFF_S),
    )
    return deployment.bind(speech, config.logging)


def _router_arguments(routing: RoutingSettings) -> dict[str, Any]:
    return {
        "policy": routing.policy,
        "load_factor": routing.load_factor,
        "index_entries": routing.index_entries,
        "block_bytes": routing.block_bytes,
        "recompute_weight": routing.recompute_weight,
        "index": routing.index,
    }
