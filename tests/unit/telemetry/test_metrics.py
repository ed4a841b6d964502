from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from cluster.telemetry import catalog
from cluster.telemetry.definition import Source
from cluster.telemetry.job_metrics import JobCensusMetrics, JobRunMetrics
from cluster.telemetry.metrics import EngineMetrics, GatewayMetrics
from cluster.telemetry.realtime_metrics import RealtimeMetrics
from cluster.telemetry.relay_metrics import RelayMetrics
from cluster.telemetry.residency_metrics import ResidencyMetrics
from cluster.telemetry.speech_metrics import SpeechMetrics
from cluster.telemetry.speech_replica_metrics import SpeechReplicaMetrics
from cluster.telemetry.storage_metrics import StorageMetrics


@dataclass(frozen=True)
class Counts:
    prompt_tokens: int = 2000
    cached_tokens: int = 1900
    completion_tokens: int = 7


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> GatewayMetrics:
    return GatewayMetrics(["m", "n"], max_organizations=2, registry=registry)


def test_an_answered_request_is_counted_with_its_tokens(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.request_started("org_1", "m", "http")
    assert registry.get_sample_value("ossature_requests_in_flight", {"model": "m", "edge": "http"}) == 1
    metrics.first_token("m", "http", 0.12)
    metrics.request_finished(
        "org_1", "m", "http", "ok", usage=Counts(), shown_cached_tokens=1792, duration_s=1.5, tpot_s=0.02, queue_s=0.001
    )
    labels = {"model": "m", "edge": "http"}
    assert registry.get_sample_value("ossature_requests_in_flight", labels) == 0
    assert registry.get_sample_value("ossature_requests_total", {**labels, "org": "org_1", "code": "ok"}) == 1
    tokens = {
        kind: registry.get_sample_value("ossature_tokens_total", {**labels, "org": "org_1", "kind": kind})
        for kind in ("prompt", "cached", "shown_cached", "completion")
    }
    assert tokens == {"prompt": 2000, "cached": 1900, "shown_cached": 1792, "completion": 7}
    for name, total in (
        ("time_to_first_token", 0.12),
        ("request_duration", 1.5),
        ("time_per_output_token", 0.02),
        ("queue_duration", 0.001),
    ):
        assert registry.get_sample_value(f"ossature_{name}_seconds_sum", labels) == total
        assert registry.get_sample_value(f"ossature_{name}_seconds_count", labels) == 1
    assert errors(registry) == 0


def errors(registry: CollectorRegistry) -> float:
    return sum(s.value for f in registry.collect() for s in f.samples if s.name == "ossature_errors_total")


def test_a_failed_request_is_one_error(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.request_started("org_1", "m", "grpc")
    metrics.request_finished("org_1", "m", "grpc", "engine_failed", duration_s=0.5)
    assert registry.get_sample_value("ossature_errors_total", {"code": "engine_failed", "edge": "grpc", "model": "m"}) == 1
    assert errors(registry) == 1


def test_a_cancelled_request_is_no_error(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.request_started("org_1", "m", "grpc")
    metrics.request_finished("org_1", "m", "grpc", "cancelled", duration_s=0.5)
    metrics.client_gone("grpc")
    assert errors(registry) == 0
    assert registry.get_sample_value("ossature_client_disconnects_total", {"edge": "grpc"}) == 1


def test_a_rejected_request_was_never_in_flight(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.request_rejected("org_1", None, "http", "model_not_found")
    labels = {"org": "org_1", "model": "unknown", "edge": "http", "code": "model_not_found"}
    assert registry.get_sample_value("ossature_requests_total", labels) == 1
    assert errors(registry) == 1
    assert sum(s.value for f in registry.collect() for s in f.samples if s.name == "ossature_requests_in_flight") == 0


def test_strings_of_callers_never_become_label_values(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    evil = 'x"} evil{'
    metrics.request_started("org_1", evil, evil)
    metrics.first_token(evil, evil, 1.0)
    metrics.request_finished("org_1", evil, evil, evil, duration_s=1.0, usage=Counts())
    metrics.request_rejected("org_1", evil, evil, evil)
    metrics.error(evil, evil, evil)
    metrics.routed(evil, evil, 1, 1e-5)
    metrics.retried(evil, evil)
    metrics.client_gone(evil)
    metrics.auth_failed(evil)
    metrics.replicas_ready(evil, 3)
    engine = EngineMetrics(["m"], registry=registry)
    engine.cross_org_hit(evil)
    engine.cold_start_phase(evil, evil, 1.0)
    engine.stream_begun(evil, evil)
    engine.adapter_loaded(evil, 0.1)
    engine.adapter_failed(evil)
    engine.adapters_held(evil, 1)
    engine.adapter_files(evil, 1)
    values = {value for f in registry.collect() for s in f.samples for value in s.labels.values()}
    assert not [value for value in values if "evil" in value]


def test_ten_thousand_organizations_make_a_bounded_number_of_series(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    for number in range(10_000):
        metrics.request_rejected(f"org_{number}", "m", "http", "rate_limit_exceeded")
    organizations = {s.labels["org"]: s.value for f in registry.collect() for s in f.samples if s.name == "ossature_requests_total"}
    assert organizations == {"org_0": 1, "org_1": 1, "other": 9998}


def test_routing_outcomes(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.routed("m", "home", 0, 40e-6)
    metrics.routed("m", "spilled", 2, 40e-6)
    metrics.routed("m", "none", None, 40e-6)
    assert {
        outcome: registry.get_sample_value("ossature_affinity_outcomes_total", {"model": "m", "outcome": outcome})
        for outcome in ("home", "spilled", "none")
    } == {"home": 1, "spilled": 1, "none": 1}
    assert registry.get_sample_value("ossature_affinity_rank_bucket", {"model": "m", "le": "0.0"}) == 1
    assert registry.get_sample_value("ossature_affinity_rank_count", {"model": "m"}) == 2
    bucket = {"model": "m", "le": "2.5e-05"}
    assert registry.get_sample_value("ossature_routing_decision_duration_seconds_bucket", bucket) == 0
    assert registry.get_sample_value("ossature_routing_decision_duration_seconds_bucket", bucket | {"le": "5e-05"}) == 3


def test_states(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    metrics.replicas_ready("n", 2)
    metrics.ledger_written(0.002)
    metrics.retried("n", "replica_lost")
    metrics.auth_failed("unknown")
    assert registry.get_sample_value("ossature_replicas_ready", {"model": "n"}) == 2
    assert registry.get_sample_value("ossature_ledger_write_duration_seconds_count") == 1
    assert registry.get_sample_value("ossature_retries_total", {"model": "n", "reason": "replica_lost"}) == 1
    assert registry.get_sample_value("ossature_authentication_failures_total", {"reason": "unknown"}) == 1


def test_adapters_are_counted_under_their_base(registry: CollectorRegistry) -> None:
    engine = EngineMetrics(["m"], registry=registry)
    assert registry.get_sample_value("ossature_adapter_failures_total", {"model": "m"}) == 0
    engine.adapter_loaded("m", 0.02)
    engine.adapter_failed("m")
    engine.adapters_held("m", 3)
    engine.adapter_files("m", 4096)
    assert registry.get_sample_value("ossature_adapter_load_seconds_bucket", {"model": "m", "le": "0.025"}) == 1
    assert registry.get_sample_value("ossature_adapter_failures_total", {"model": "m"}) == 1
    assert registry.get_sample_value("ossature_adapters_held", {"model": "m"}) == 3
    assert registry.get_sample_value("ossature_adapter_cache_bytes", {"model": "m"}) == 4096


def test_what_must_be_alerted_on_exists_before_it_happens(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    engine = EngineMetrics(["m"], registry=registry)
    assert registry.get_sample_value("ossature_cross_org_hits_total", {"model": "m"}) == 0
    engine.cross_org_hit("m")
    assert registry.get_sample_value("ossature_cross_org_hits_total", {"model": "m"}) == 1
    engine.stream_begun("m", "lean")
    streams = [
        registry.get_sample_value("ossature_engine_streams_total", {"model": "m", "front_end": name}) for name in ("lean", "vllm")
    ]
    assert streams == [1, 0]
    engine.cold_start_phase("m", "load_weights", 12.5)
    assert registry.get_sample_value("ossature_engine_cold_start_phase_seconds", {"model": "m", "phase": "load_weights"}) == 12.5


def test_exactly_the_metrics_of_the_catalog_exist_and_those_marked_so_from_the_start(
    metrics: GatewayMetrics, registry: CollectorRegistry
) -> None:
    EngineMetrics(["m"], registry=registry)
    RelayMetrics(registry=registry)
    RealtimeMetrics(registry=registry)
    ResidencyMetrics(["m"], registry=registry)
    SpeechReplicaMetrics(registry=registry)
    StorageMetrics(registry=registry)
    JobRunMetrics(["eval"], registry=registry)
    JobCensusMetrics(registry=registry)
    SpeechMetrics(registry=registry)
    families = {f.name + ("_total" if f.type == "counter" else ""): f for f in registry.collect()}
    expected = {metric.name: metric for metric in catalog.ALL if metric.source is not Source.EXPORTER}
    assert families.keys() == expected.keys()
    for name, family in families.items():
        assert (family.type, bool(family.samples)) == (expected[name].kind, expected[name].at_start), name


def test_two_in_one_process_are_refused(metrics: GatewayMetrics, registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        GatewayMetrics(["m"], registry=registry)
