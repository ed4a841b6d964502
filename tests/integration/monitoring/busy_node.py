"""A process that writes every metric of ours, and those of vLLM that dashboards use, until killed: ``python -m <this module>``.

Ours come through the classes that the cluster itself writes them with. vLLM's stand in for those of an engine.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cluster.telemetry import labels
from cluster.telemetry.definition import Kind
from cluster.telemetry.job_metrics import JobCensusMetrics, JobRunMetrics
from cluster.telemetry.metrics import EngineMetrics, GatewayMetrics
from cluster.telemetry.realtime_metrics import RealtimeMetrics
from cluster.telemetry.relay_metrics import RelayMetrics
from cluster.telemetry.residency_metrics import ResidencyMetrics
from cluster.telemetry.speech_metrics import SpeechMetrics
from cluster.telemetry.speech_replica_metrics import SpeechReplicaMetrics
from cluster.telemetry.storage_metrics import StorageMetrics
from deploy.monitoring.series import VLLM

MODEL = "busy"
ORGANIZATIONS = ("org_a", "org_b")
KIND = "eval"
PERIOD_S = 0.5


class Counts:
    prompt_tokens = 2048
    cached_tokens = 1024
    completion_tokens = 64


def gateway(registry: CollectorRegistry) -> Callable[[], None]:
    metrics = GatewayMetrics([MODEL], registry=registry)
    metrics.replicas_ready(MODEL, 2)
    turns = itertools.cycle(ORGANIZATIONS)

    def work() -> None:
        org_id = next(turns)
        for edge in ("http", "grpc", "realtime", "jobs"):
            metrics.request_started(org_id, MODEL, edge)
            metrics.first_token(MODEL, edge, 0.2)
            metrics.request_finished(
                org_id, MODEL, edge, "ok", duration_s=1.0, usage=Counts(), shown_cached_tokens=1024, tpot_s=0.02, queue_s=0.01
            )
        for code in ("overloaded", "engine_failed", "invalid_request"):
            metrics.request_rejected(org_id, MODEL, "http", code)
        metrics.request_started(org_id, labels.TEXT_TO_SPEECH, "http")
        metrics.request_finished(org_id, labels.TEXT_TO_SPEECH, "http", "ok", duration_s=0.4)
        for affinity, rank in (("home", 0), ("known", 1), ("spilled", 2)):
            metrics.routed(MODEL, affinity, rank, 40e-6, forced_off=affinity == "spilled")
        metrics.routing_memory(MODEL, entries=1000, size_bytes=420_000)
        metrics.cached_tokens(MODEL, predicted=1100, actual=1024)
        metrics.retried(MODEL, "replica_lost")
        metrics.client_gone("http")
        metrics.auth_failed("unknown")
        metrics.ledger_written(0.002)

    return work


def engine(registry: CollectorRegistry) -> Callable[[], None]:
    metrics = EngineMetrics([MODEL], registry=registry)
    residency = ResidencyMetrics([MODEL], registry=registry)
    for phase in sorted(labels.COLD_START_PHASES):
        metrics.cold_start_phase(MODEL, phase, 3.0)

    def work() -> None:
        metrics.isolation_judged(MODEL)
        metrics.stream_begun(MODEL, "lean")
        metrics.adapter_loaded(MODEL, 0.2)
        metrics.adapter_failed(MODEL)
        metrics.adapters_held(MODEL, 2)
        metrics.adapter_files(MODEL, 50_000_000)
        for kind in sorted(labels.KV_EVENTS):
            residency.kv_events(MODEL, kind, 4)
        residency.kv_feed(MODEL, "gap")
        residency.kv_resident(MODEL, 100, 80)

    return work


def speech(registry: CollectorRegistry) -> Callable[[], None]:
    realtime, over_http, replica = (
        RealtimeMetrics(registry=registry),
        SpeechMetrics(registry=registry),
        SpeechReplicaMetrics(registry=registry),
    )
    realtime.session_started("realtime")

    def work() -> None:
        realtime.session_started("transcription")
        realtime.session_ended("transcription", 30.0)
        realtime.frame_late()
        for event in sorted(labels.REALTIME_EVENTS):
            realtime.occurred(event)
        for stage in sorted(labels.REALTIME_STAGES):
            realtime.stage_timed(stage, 0.2)
        over_http.heard("transcription", 4.0)
        over_http.spoke("speech", 2.0)
        for surface in sorted(labels.SPEAKING_SURFACES):
            over_http.first_audio(surface, 0.2)
        replica.recognized(4.0, 1.0)
        replica.spoken(2.0, 1.0)

    return work


def relay_and_storage(registry: CollectorRegistry) -> Callable[[], None]:
    relay, storage = RelayMetrics(registry=registry), StorageMetrics(registry=registry)
    relay.channels_open(2)

    def work() -> None:
        relay.channel_connected(again=True)
        relay.channel_ended("closed")
        relay.channel_traffic(received_bytes=5000, sent_bytes=500, messages=10, frames=40)
        relay.waiting(size_bytes=100, given_up=1)
        relay.residency(replicas=2, hashes=80, gaps=1)
        storage.completion_stored("stored", 0.002)
        storage.completions_purged(1)
        storage.file_received(1000)
        storage.file_sent(1000)
        storage.files_swept("expired", 1)

    return work


def jobs(registry: CollectorRegistry) -> Callable[[], None]:
    census, runs = JobCensusMetrics(registry=registry), JobRunMetrics([KIND], registry=registry)

    def work() -> None:
        census.counted({(KIND, state): 1 for state in labels.JOB_STATES}, {KIND: 10.0})
        runs.job_taken_over(KIND)
        for outcome in sorted(labels.JOB_OUTCOMES):
            runs.job_run_ended(KIND, outcome, 60.0)

    return work


def vllm(registry: CollectorRegistry) -> Callable[[], None]:
    """Their names and labels as in ``deploy.monitoring.series``; ``replica`` is the exporter's."""
    updates: list[Callable[[], None]] = []
    for name, (kind, names) in VLLM.items():
        own = [label for label in names if label != "replica"]
        values = [{"model_name": MODEL, "engine": "0"}.get(label, "stop") for label in own]
        if kind is Kind.COUNTER:
            updates.append(Counter(name, "As in vLLM.", own, registry=registry).labels(*values).inc)
        elif kind is Kind.HISTOGRAM:
            histogram = Histogram(name, "As in vLLM.", own, registry=registry).labels(*values)
            updates.append(partial(histogram.observe, 0.1))
        else:
            Gauge(name, "As in vLLM.", own, multiprocess_mode="mostrecent", registry=registry).labels(*values).set(0.5)

    def work() -> None:
        for update in updates:
            update()

    return work


def main() -> None:
    registry = CollectorRegistry()
    parts = [make(registry) for make in (gateway, engine, speech, relay_and_storage, jobs, vllm)]
    parent = os.getppid()
    while os.getppid() == parent:  # a test run that is killed leaves nothing behind
        for work in parts:
            work()
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    main()
