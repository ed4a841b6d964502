"""Processes that write metrics, to be started and killed by the tests: ``python -m <this module> MODE …``."""

from __future__ import annotations

import os
import signal
import sys
import time

from prometheus_client import CollectorRegistry, Gauge

from cluster.telemetry import multiprocess
from cluster.telemetry.metrics import EngineMetrics, GatewayMetrics

MODEL = "m"
REQUESTS_PER_LIFE = 25


class Counts:
    prompt_tokens = 100
    cached_tokens = 60
    completion_tokens = 10


def answer_requests(count: int, org_id: str) -> None:
    """A gateway's life: ``count`` whole requests, and one that stays in flight."""
    metrics = GatewayMetrics([MODEL], registry=CollectorRegistry())
    for _ in range(count):
        metrics.request_started(org_id, MODEL, "http")
        metrics.first_token(MODEL, "http", 0.03)
        metrics.request_finished(org_id, MODEL, "http", "ok", usage=Counts(), duration_s=0.2)
    metrics.request_started(org_id, MODEL, "http")


def live_on() -> None:
    """Say that everything is written, then wait to be killed."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    time.sleep(600)


def restarts(lives: int) -> None:
    """One replica after the other, each ending by SIGKILL."""
    for life in range(lives):
        child = os.fork()
        if child == 0:
            answer_requests(REQUESTS_PER_LIFE, f"org_{life % 3}")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)


def replica(requests: int, running: float) -> None:
    """An engine replica that has a gauge as vLLM makes it, and lives until it is killed."""
    EngineMetrics([MODEL], registry=CollectorRegistry()).cross_org_hit(MODEL)
    gauge = Gauge(
        "vllm:num_requests_running", "As in vLLM.", ["model_name", "engine"], multiprocess_mode="mostrecent", registry=None
    )
    gauge.labels(MODEL, "0").set(running)
    answer_requests(requests, "org_0")
    live_on()


def stranger() -> None:
    """A process that exports without our naming of files: by its process id alone."""
    multiprocess.install = lambda: None  # type: ignore[assignment]
    answer_requests(REQUESTS_PER_LIFE, "org_0")
    live_on()


def main() -> None:
    mode, *arguments = sys.argv[1:]
    if mode == "restarts":
        restarts(int(arguments[0]))
    elif mode == "replica":
        replica(int(arguments[0]), float(arguments[1]))
    elif mode == "stranger":
        stranger()
    else:
        raise SystemExit(f"unknown mode {mode}")


if __name__ == "__main__":
    main()
