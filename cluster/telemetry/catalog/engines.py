"""Engine replicas: how many, their starts and deaths, the adapters that they hold."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import ADAPTER_LOAD_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

REPLICAS_READY = Metric(
    "ossature_replicas_ready",
    Kind.GAUGE,
    Source.GATEWAY,
    "Engine replicas of the model that the router may choose, in the whole cluster, as the node's gateways see it.",
    labels=("model",),
    combine="livemax",
    example="min by (model) (ossature_replicas_ready) == 0",
)
COLD_START = Metric(
    "ossature_engine_cold_start_phase_seconds",
    Kind.GAUGE,
    Source.ENGINE,
    "How long each phase of the start took, the slowest living replica of the node; 0 while the phase is not over.",
    labels=("model", "phase"),
    unit="seconds",
    combine="livemax",
    example="max by (model, phase) (ossature_engine_cold_start_phase_seconds)",
)
ENGINE_DEATHS = Metric(
    "ossature_engine_deaths_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Engines that stopped while their replica ran; each replica is replaced.",
    labels=("model",),
    example="increase(ossature_engine_deaths_total[1h]) > 0",
)
ENGINE_STREAMS = Metric(
    "ossature_engine_streams_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Streamed answers that an engine began, by what writes them: `lean` (gpt-oss chats) or `vllm` (vLLM's serving classes).",
    labels=("model", "front_end"),
    example="sum by (model, front_end) (rate(ossature_engine_streams_total[5m]))",
)
ADAPTER_LOAD = Metric(
    "ossature_adapter_load_seconds",
    Kind.HISTOGRAM,
    Source.ENGINE,
    "What an engine took to load an adapter of a tuned model from its replica's disk, by the base model.",
    labels=("model",),
    unit="seconds",
    buckets=ADAPTER_LOAD_BUCKETS,
    at_start=False,
    example="histogram_quantile(0.95, sum by (le, model) (rate(ossature_adapter_load_seconds_bucket[5m])))",
)
ADAPTER_FAILURES = Metric(
    "ossature_adapter_failures_total",
    Kind.COUNTER,
    Source.ENGINE,
    "Requests that could not be answered for want of their adapter (missing or damaged files, or one that does not fit), by the "
    "base model.",
    labels=("model",),
    example="increase(ossature_adapter_failures_total[1h]) > 0",
)
ADAPTERS_HELD = Metric(
    "ossature_adapters_held",
    Kind.GAUGE,
    Source.ENGINE,
    "Adapters that the node's engines hold in memory, by the base model.",
    labels=("model",),
    at_start=False,
    example="sum by (model) (ossature_adapters_held)",
)
ADAPTER_BYTES = Metric(
    "ossature_adapter_cache_bytes",
    Kind.GAUGE,
    Source.ENGINE,
    "Adapter files that the node's replicas keep on its disk, by the base model.",
    labels=("model",),
    unit="bytes",
    at_start=False,
    example="sum by (model) (ossature_adapter_cache_bytes)",
)

ALL: tuple[Metric, ...] = (
    REPLICAS_READY,
    COLD_START,
    ENGINE_DEATHS,
    ENGINE_STREAMS,
    ADAPTER_LOAD,
    ADAPTER_FAILURES,
    ADAPTERS_HELD,
    ADAPTER_BYTES,
)
