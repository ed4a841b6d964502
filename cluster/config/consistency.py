"""Settings that contradict each other: pure functions from typed settings to problems.

The schema calls them from its validators, so whoever builds a ``ClusterConfig``, from a file or in code, gets the same checks.
Only what is certain from the configuration alone is refused; what depends on the hardware shows when the cluster starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

from cluster.config.managed_arguments import ISOLATING_HASHES, MANAGED, TESTED_KV_CONNECTORS
from cluster.config.problems import Problem

if TYPE_CHECKING:
    from cluster.config.schema import ClusterConfig, ModelSettings

PARALLEL_SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size", "data_parallel_size")
VLLM_DEFAULT_GPU_MEMORY_UTILIZATION = 0.92


def engine_problems(engine: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with a model's engine arguments, located relative to them."""
    yield from _managed_arguments(engine)
    yield from _isolation(engine)
    yield from _parallel_sizes(engine)
    yield from _cache_shape(engine)


def model_problems(model: ModelSettings) -> Iterator[Problem]:
    """Contradictions between a model's engine arguments and its placement, located relative to the model."""
    yield from _executor(model)
    yield from _shared_gpu(model)


def cluster_problems(config: ClusterConfig) -> Iterator[Problem]:
    """Contradictions between sections."""
    yield from _model_ids(config)
    yield from _ports(config)
    yield from _message_sizes(config)
    yield from _precise_index(config)
    yield from _ray(config)


# --- one model ------------------------------------------------------------------------------------------------------------


def _managed_arguments(engine: dict[str, Any]) -> Iterator[Problem]:
    for name in engine:
        known = name.removeprefix("--").replace("-", "_")
        if known in MANAGED:
            yield Problem((name,), f"is managed by the cluster and can't be set: {MANAGED[known]}")
        elif known != name:
            yield Problem((name,), "engine arguments are written with underscores", suggestion=known)


def _isolation(engine: dict[str, Any]) -> Iterator[Problem]:
    if engine.get("enable_prefix_caching", True) not in (True, None):
        yield Problem(
            ("enable_prefix_caching",),
            "prompt caching is part of the API (cached tokens, retention) and can't be switched off",
            given=_shown(engine["enable_prefix_caching"]),
            allowed="true, or leave it out",
        )
    algorithm = engine.get("prefix_caching_hash_algo", "sha256")
    if algorithm not in ISOLATING_HASHES:
        yield Problem(
            ("prefix_caching_hash_algo",),
            "organizations are kept apart by this hash, so it must be collision-resistant",
            given=_shown(algorithm),
            allowed=", ".join(sorted(ISOLATING_HASHES)),
        )
    transfer = engine.get("kv_transfer_config")
    if transfer is not None:
        connector = transfer.get("kv_connector") if isinstance(transfer, dict) else None
        if connector not in TESTED_KV_CONNECTORS:
            yield Problem(
                ("kv_transfer_config",),
                "this KV connector is not on the tested list: it must carry the cache salt that keeps organizations apart",
                given=_shown(connector),
                allowed=", ".join(sorted(TESTED_KV_CONNECTORS)) or "no connector so far",
            )


def _parallel_sizes(engine: dict[str, Any]) -> Iterator[Problem]:
    for name in PARALLEL_SIZES:
        size = engine.get(name, 1)
        if type(size) is not int or size < 1:
            yield Problem((name,), "is not a size", given=_shown(size), allowed="whole number, at least 1")
        elif name == "data_parallel_size" and size > 1:
            yield Problem(
                (name,),
                "data parallelism inside a replica would hide its ranks from routing and scaling; set `replicas` instead",
                given=_shown(size),
                allowed="1, or leave it out",
            )


def _cache_shape(engine: dict[str, Any]) -> Iterator[Problem]:
    interval, block_size = engine.get("prefix_cache_retention_interval"), engine.get("block_size")
    if _positive(interval) and _positive(block_size) and interval % block_size:
        yield Problem(
            ("prefix_cache_retention_interval",),
            f"must be a multiple of block_size ({block_size})",
            given=_shown(interval),
        )
    batched, sequences = engine.get("max_num_batched_tokens"), engine.get("max_num_seqs")
    if _positive(batched) and _positive(sequences) and batched < sequences:
        yield Problem(
            ("max_num_batched_tokens",),
            f"must not be smaller than max_num_seqs ({sequences}): every running sequence takes a token a step",
            given=_shown(batched),
        )


def _executor(model: ModelSettings) -> Iterator[Problem]:
    backend, world_size = model.engine.get("distributed_executor_backend"), model.world_size
    if world_size == 1:
        return
    if backend == "uni":
        yield Problem(
            ("engine", "distributed_executor_backend"),
            f"one process can't hold {world_size} workers",
            given='"uni"',
            allowed="ray, mp",
        )
    if backend == "mp" and model.placement.strategy != "STRICT_PACK":
        yield Problem(
            ("placement", "strategy"),
            "engine.distributed_executor_backend is `mp`, whose workers share one machine",
            given=model.placement.strategy,
            allowed="STRICT_PACK, or `ray` as executor",
        )


def _shared_gpu(model: ModelSettings) -> Iterator[Problem]:
    share = model.placement.gpus_per_worker
    if not 0 < share < 1 or model.engine.get("kv_cache_memory_bytes") is not None:
        return
    used = model.engine.get("gpu_memory_utilization", VLLM_DEFAULT_GPU_MEMORY_UTILIZATION)
    if isinstance(used, int | float) and used > share:
        yield Problem(
            ("engine", "gpu_memory_utilization"),
            f"the worker reserves {share:g} of a GPU and would take {used:g} of its memory from whatever shares it",
            allowed=f"at most {share:g}, or kv_cache_memory_bytes",
        )


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _positive(value: object) -> TypeGuard[int]:
    return type(value) is int and value > 0


# --- between sections -----------------------------------------------------------------------------------------------------


def _model_ids(config: ClusterConfig) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, model in enumerate(config.models):
        if first.setdefault(model.id, index) != index:
            yield Problem(("models", index, "id"), f"is the id of models.{first[model.id]} already", given=_shown(model.id))


def _ports(config: ClusterConfig) -> Iterator[Problem]:
    ports = {("http", "port"): config.http.port, ("metrics", "port"): config.metrics.port}
    if config.grpc.enabled:
        ports[("grpc", "port")] = config.grpc.port
    taken: dict[int, tuple[str, str]] = {}
    for location, port in ports.items():
        other = taken.setdefault(port, location)
        if other != location:
            yield Problem(location, f"is the port of {'.'.join(other)} already", given=str(port))


def _message_sizes(config: ClusterConfig) -> Iterator[Problem]:
    if config.relay.max_request_bytes < config.http.max_body_bytes:
        yield Problem(
            ("relay", "max_request_bytes"),
            "a request body that HTTP accepts would not fit between gateway and engine replica",
            given=str(config.relay.max_request_bytes),
            allowed=f"at least http.max_body_bytes ({config.http.max_body_bytes})",
        )


def _precise_index(config: ClusterConfig) -> Iterator[Problem]:
    if config.routing.index == "precise" and config.relay.implementation != "stepped":
        yield Problem(
            ("routing", "index"),
            "replicas tell of their caches over the channels of the relay `stepped`",
            given='"precise"',
            allowed="soft, or relay.implementation: stepped",
        )
    if config.routing.index == "precise" and config.routing.policy != "affinity":
        yield Problem(
            ("routing", "index"),
            f"the policy `{config.routing.policy}` never asks what is cached",
            given='"precise"',
            allowed="soft, or routing.policy: affinity",
        )


def _ray(config: ClusterConfig) -> Iterator[Problem]:
    if config.ray.address is not None:
        for name in ("num_cpus", "object_store_memory_bytes"):
            if name in config.ray.model_fields_set and getattr(config.ray, name) is not None:
                yield Problem(("ray", name), "belongs to a Ray that is started here, but ray.address names a running one")
        return
    for index, model in enumerate(config.models):
        if model.placement.strategy == "STRICT_SPREAD" and model.world_size > 1:
            yield Problem(
                ("models", index, "placement", "strategy"),
                f"each of the {model.world_size} workers needs a machine of its own, but a Ray that is started here has one",
                given="STRICT_SPREAD",
                allowed="STRICT_PACK, PACK or SPREAD, or set ray.address",
            )
    if config.ray.num_cpus is not None:
        engines = sum(model.replicas * model.world_size * model.placement.cpus_per_worker for model in config.models)
        needed = config.gateway.replicas * config.gateway.num_cpus + engines
        if needed > config.ray.num_cpus:
            yield Problem(
                ("ray", "num_cpus"),
                f"gateways and models reserve {needed:g} logical CPUs together",
                given=f"{config.ray.num_cpus:g}",
                allowed=f"at least {needed:g}, or unset",
            )
