"""Which series there are to query: ours from the catalog, those of vLLM and others that our dashboards use, and recorded ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cluster.telemetry import catalog
from cluster.telemetry.definition import Kind

#: Labels that Prometheus adds to whatever it scrapes; ``namespace`` and ``pod`` in Kubernetes only.
OF_THE_TARGET = frozenset({"job", "instance", "namespace", "pod"})
_HISTOGRAM = ("_bucket", "_sum", "_count")


class Origin(StrEnum):
    """Who exports a series."""

    OSSATURE = "Ossature"
    VLLM = "vLLM"
    PROMETHEUS = "Prometheus"
    RECORDED = "a recording rule"
    DCGM = "NVIDIA's dcgm-exporter"


@dataclass(frozen=True, slots=True)
class Series:
    """A name as it stands in a query, and the labels that may be named with it."""

    name: str
    labels: frozenset[str]
    origin: Origin

    @property
    def in_a_namespace(self) -> bool:
        """Whether its label ``namespace`` is the one of the cluster. That of a GPU's series is the exporter's own."""
        return self.origin is not Origin.DCGM


_VLLM = ("model_name", "engine")
#: vLLM's metrics that we use, without ``_total`` and the like, and their labels. The exporter adds ``replica`` to gauges.
VLLM: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "vllm:num_requests_running": (Kind.GAUGE, (*_VLLM, "replica")),
    "vllm:num_requests_waiting": (Kind.GAUGE, (*_VLLM, "replica")),
    "vllm:kv_cache_usage_perc": (Kind.GAUGE, (*_VLLM, "replica")),
    "vllm:prefix_cache_queries_total": (Kind.COUNTER, _VLLM),
    "vllm:prefix_cache_hits_total": (Kind.COUNTER, _VLLM),
    "vllm:prompt_tokens_total": (Kind.COUNTER, _VLLM),
    "vllm:generation_tokens_total": (Kind.COUNTER, _VLLM),
    "vllm:num_preemptions_total": (Kind.COUNTER, _VLLM),
    "vllm:request_success_total": (Kind.COUNTER, (*_VLLM, "finished_reason")),
    "vllm:iteration_tokens_total": (Kind.HISTOGRAM, _VLLM),
    "vllm:request_prefill_time_seconds": (Kind.HISTOGRAM, _VLLM),
    "vllm:request_queue_time_seconds": (Kind.HISTOGRAM, _VLLM),
    "vllm:inter_token_latency_seconds": (Kind.HISTOGRAM, _VLLM),
}
_GPU = frozenset({"gpu", "UUID", "device", "modelName", "Hostname"})
#: Fields that dcgm-exporter exports in its default configuration.
DCGM: tuple[str, ...] = (
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_XID_ERRORS",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "DCGM_FI_PROF_DRAM_ACTIVE",
)


def _named(name: str, kind: Kind, labels: tuple[str, ...], origin: Origin) -> Iterator[Series]:
    if kind is not Kind.HISTOGRAM:
        yield Series(name, frozenset(labels), origin)
        return
    for suffix in _HISTOGRAM:
        yield Series(name + suffix, frozenset(labels) | ({"le"} if suffix == "_bucket" else set()), origin)


def _all() -> Iterator[Series]:
    for metric in catalog.ALL:
        yield from _named(metric.name, metric.kind, metric.labels, Origin.OSSATURE)
    for name, (kind, labels) in VLLM.items():
        yield from _named(name, kind, labels, Origin.VLLM)
    for name in DCGM:
        yield Series(name, _GPU, Origin.DCGM)
    yield Series("up", frozenset(), Origin.PROMETHEUS)


SCRAPED: Mapping[str, Series] = {series.name: series for series in _all()}


def with_recorded(labels_of: Mapping[str, frozenset[str]]) -> dict[str, Series]:
    """All series, those of recording rules among them: their labels by name."""
    return {**SCRAPED, **{name: Series(name, labels, Origin.RECORDED) for name, labels in labels_of.items()}}
