"""The Ray Serve application: every deployment of the cluster and how it scales, in one place.

| Deployment       | Holds                                                  |
|------------------|--------------------------------------------------------|
| `gateway`        | HTTP and gRPC edges, identity, admission, router       |
| `engine:<model>` | one vLLM engine per replica, sharded by its placement  |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from ray.serve.schema import LoggingConfig

from cluster.config.schema import ClusterConfig, ModelSettings, RoutingSettings
from cluster.edges.gateway import Gateway
from cluster.engine.placement import place
from cluster.relay.channel.handshake import ChannelKey
from cluster.runtime.serve_environment import is_confined
from cluster.runtime.served_engine import ServedEngine

NAME = "ossature"
GATEWAY = "gateway"
_ROUTER = "cluster.inference.request_router:PrefixRouter"
_LOOPBACK = "127.0.0.1"
#: Requests that need no engine (health, models, administration) find a place also on a full gateway.
_BESIDES_INFERENCE = 100
#: How long a request that found every replica full waits before it asks again, at most.
_MAX_BACKOFF_S = 0.1
#: Serve writes a line for each request into files of its own; the gateway's own line says more.
_QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)


def engine_deployment_name(model_id: str) -> str:
    return f"engine:{model_id}"


def metrics_directory(config: ClusterConfig) -> Path:
    return config.data_dir / "metrics"


def build(config: ClusterConfig, engine_replica: type[ServedEngine] = ServedEngine) -> Application:
    """The application of a prepared configuration (``runtime.preparation``). ``engine_replica``: what hosts the engines."""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(metrics_directory(config))}
    engines = {model.id: _engine(engine_replica, model, config, environment) for model in config.models}
    gateway = serve.deployment(serve.ingress()(Gateway)).options(
        name=GATEWAY,
        logging_config=_QUIET,
        num_replicas=config.gateway.replicas,
        # Above the limit that the gateway keeps itself: its own refusal has OpenAI's shape and a Retry-After, Serve's has not.
        max_ongoing_requests=2 * config.gateway.max_ongoing_requests + _BESIDES_INFERENCE,
        graceful_shutdown_timeout_s=config.gateway.graceful_shutdown_timeout_s,
        health_check_period_s=2,
        health_check_timeout_s=30,
        ray_actor_options={"num_cpus": config.gateway.num_cpus, "runtime_env": {"env_vars": environment}},
    )
    # Elsewhere gateways listen for engine replicas on their node's address, since those may be on another one.
    relay_host = _LOOPBACK if is_confined(config) else None
    return gateway.bind(config, engines, relay_host)


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
        num_replicas=model.replicas,
        max_ongoing_requests=model.max_ongoing_requests,
        max_queued_requests=model.max_queued_requests,
        graceful_shutdown_timeout_s=model.graceful_shutdown_timeout_s,
        health_check_period_s=model.health_check_period_s,
        health_check_timeout_s=model.health_check_timeout_s,
        ray_actor_options=actor,
        request_router_config=RequestRouterConfig(
            request_router_class=_ROUTER,
            request_router_kwargs=_router_arguments(config.routing),
            request_routing_stats_period_s=config.routing.report_period_s,
            max_backoff_s=_MAX_BACKOFF_S,
        ),
        **options,
    )
    # The engine needs neither the cluster's secret nor its database: what it is given can't be turned back into the secret.
    assert config.secret is not None
    key = ChannelKey.of(config.secret.get_secret_value().encode()) if config.relay.implementation == "stepped" else None
    return deployment.bind(model, config.relay, config.logging, config.prompt_cache.extended_period_s, key, config.routing)


def _router_arguments(routing: RoutingSettings) -> dict[str, Any]:
    return {
        "policy": routing.policy,
        "load_factor": routing.load_factor,
        "index_entries": routing.index_entries,
        "block_bytes": routing.block_bytes,
        "recompute_weight": routing.recompute_weight,
        "index": routing.index,
    }
