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
    from cluster.config.schema import ClusterConfig
    from cluster.config.settings.models import ModelSettings
    from cluster.config.settings.speech import SpeechSettings

PARALLEL_SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size", "data_parallel_size")
VLLM_DEFAULT_GPU_MEMORY_UTILIZATION = 0.92
TUNED_PREFIX = "ft:"
"""Begins the names of tuned models (``cluster.tuned.names``)."""
WITHOUT_DEFAULT_MODEL = frozenset({"whisper", "vllm", "kokoro"})
"""Recognizers and synthesizers that come without a model."""


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
    yield from _scaling(model)
    yield from _adapters(model)


def speech_problems(speech: SpeechSettings) -> Iterator[Problem]:
    """Contradictions between the settings of speech, located relative to them."""
    for part, chosen, model in (
        ("recognizer", speech.recognizer, speech.recognizer_model),
        ("synthesizer", speech.synthesizer, speech.synthesizer_model),
    ):
        if chosen in WITHOUT_DEFAULT_MODEL and model is None:
            yield Problem((f"{part}_model",), f"must be given for the {part} {chosen}")
    for name, device in (("recognizer_device", speech.recognizer_device), ("synthesizer_device", speech.synthesizer_device)):
        if device != "cpu" and not speech.num_gpus:
            yield Problem(("num_gpus",), f"must be given for {name} {device}")
    for problem in engine_problems(speech.recognizer_engine):
        yield problem.within(("recognizer_engine",))
    if speech.recognizer == "vllm":
        for problem in _shared_gpu_memory(speech.recognizer_engine, speech.num_gpus):
            yield problem.within(("recognizer_engine",))


def cluster_problems(config: ClusterConfig) -> Iterator[Problem]:
    """Contradictions between sections."""
    yield from _model_ids(config)
    yield from _ports(config)
    yield from _message_sizes(config)
    yield from _precise_index(config)
    yield from _realtime_model(config)
    yield from _tuned_storage(config)
    yield from _tuning(config)
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
    for problem in _shared_gpu_memory(model.engine, model.placement.gpus_per_worker):
        yield problem.within(("engine",))


def _shared_gpu_memory(engine: dict[str, Any], share: float) -> Iterator[Problem]:
    if not 0 < share < 1 or engine.get("kv_cache_memory_bytes") is not None:
        return
    used = engine.get("gpu_memory_utilization", VLLM_DEFAULT_GPU_MEMORY_UTILIZATION)
    if isinstance(used, int | float) and used > share:
        yield Problem(
            ("gpu_memory_utilization",),
            f"the worker reserves {share:g} of a GPU and would take {used:g} of its memory from whatever shares it",
            allowed=f"at most {share:g}, or kv_cache_memory_bytes",
        )


def _scaling(model: ModelSettings) -> Iterator[Problem]:
    if model.autoscaling is None:
        return
    if "replicas" in model.model_fields_set:
        yield Problem(("replicas",), "autoscaling decides the number of replicas", allowed="leave out one of the two")
    if model.autoscaling.target_ongoing_requests > model.max_ongoing_requests:
        yield Problem(
            ("autoscaling", "target_ongoing_requests"),
            "a replica never works on so many requests, so that none would ever be added",
            given=f"{model.autoscaling.target_ongoing_requests:g}",
            allowed=f"at most max_ongoing_requests ({model.max_ongoing_requests})",
        )


ADAPTER_ARGUMENTS = {
    "enable_lora": "adapters.enabled",
    "max_lora_rank": "adapters.max_rank",
    "max_loras": "adapters.max_running",
    "max_cpu_loras": "adapters.max_loaded",
}
"""Engine arguments that ``adapters`` sets."""


def _adapters(model: ModelSettings) -> Iterator[Problem]:
    if not model.adapters.enabled:
        return
    if model.adapters.max_loaded < model.adapters.max_running:
        yield Problem(
            ("adapters", "max_loaded"),
            f"must not be less than max_running ({model.adapters.max_running}): what runs is loaded",
            given=str(model.adapters.max_loaded),
        )
    for argument, setting in ADAPTER_ARGUMENTS.items():
        if argument in model.engine:
            yield Problem(("engine", argument), f"is set by `{setting}` of the model")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _positive(value: object) -> TypeGuard[int]:
    return type(value) is int and value > 0


# --- between sections -----------------------------------------------------------------------------------------------------


def _model_ids(config: ClusterConfig) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, model in enumerate(config.models):
        if model.id.startswith(TUNED_PREFIX):
            yield Problem(("models", index, "id"), "begins as the names of tuned models do", given=_shown(model.id))
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

    if config.relay.max_waiting_bytes < config.relay.max_buffered_bytes:
        yield Problem(
            ("relay", "max_waiting_bytes"),
            "one slow client alone could never have what it may have",
            given=str(config.relay.max_waiting_bytes),
            allowed=f"at least relay.max_buffered_bytes ({config.relay.max_buffered_bytes})",
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


def _realtime_model(config: ClusterConfig) -> Iterator[Problem]:
    default, known = config.realtime.default_model, [model.id for model in config.models]
    if default is not None and default not in known:
        yield Problem(
            ("realtime", "default_model"), "is none of the models", given=_shown(default), allowed=", ".join(sorted(set(known)))
        )


def _tuning(config: ClusterConfig) -> Iterator[Problem]:
    if not config.tuning.enabled or config.tuned_models.max_merged_models:
        return
    if not any(model.adapters.enabled for model in config.models):
        yield Problem(
            ("tuning", "enabled"),
            "takes a model with `adapters.enabled: true`, or `tuned_models.max_merged_models`: what is trained could not be served",
        )
    for index, model in enumerate(config.models):
        if model.tuning.weights == "full":
            yield Problem(
                ("models", index, "tuning", "weights"),
                "every weight trained makes a model of its own, and none may be served (tuned_models.max_merged_models)",
                given='"full"',
                allowed="adapter, or tuned_models.max_merged_models above 0",
            )


def _tuned_storage(config: ClusterConfig) -> Iterator[Problem]:
    url = config.tuned_models.storage_url
    if url is not None and url == config.files.storage_url:
        yield Problem(
            ("tuned_models", "storage_url"),
            "is that of files, whose sweeper deletes what belongs to no file",
            given=_shown(url),
            allowed="another folder or prefix",
        )


def _fewest(model: ModelSettings) -> int:
    return model.replicas if model.autoscaling is None else model.autoscaling.min_replicas


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
        engines = sum(_fewest(model) * model.world_size * model.placement.cpus_per_worker for model in config.models)
        speech = config.speech.replicas * config.speech.num_cpus if config.speech.enabled else 0.0
        needed = config.gateway.replicas * config.gateway.num_cpus + engines + speech
        if needed > config.ray.num_cpus:
            yield Problem(
                ("ray", "num_cpus"),
                f"gateways, models and speech reserve {needed:g} logical CPUs together",
                given=f"{config.ray.num_cpus:g}",
                allowed=f"at least {needed:g}, or unset",
            )
