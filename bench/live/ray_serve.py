"""Rows that are Ray Serve's own streaming: an ingress that relays a streaming handle, an item a token, as its guide shows it."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.fakes.worker import MODEL
from bench.live.ossature import ray_port_ranges
from bench.live.stack import BACKGROUND, FRONT_END, ROUTER, Fleet, Running
from bench.load import Target
from bench.programs import Program, answers, free_ports

_START_TIMEOUT_S = 180.0

_OPTIMIZED = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
}


def classify(title: str) -> str:
    """Processes of the application by their titles. Serve's proxy carries requests in its default mode, HAProxy in the other."""
    if title.startswith("ray::ServeReplica:bench:Worker"):
        return FRONT_END
    if title.startswith(("ray::ServeReplica:bench:Ingress", "ray::ProxyActor")) or Path(title.split(" ", 1)[0]).name == "haproxy":
        return ROUTER
    return BACKGROUND


@dataclass(frozen=True, slots=True)
class RayServe:
    """``optimized``: throughput-optimized replicas behind HAProxy, as this cluster runs Serve; else Serve's default mode."""

    optimized: bool
    peer: bool = True

    @property
    def name(self) -> str:
        return "ray-serve-optimized" if self.optimized else "ray-serve"

    @property
    def title(self) -> str:
        return f"Ray Serve handle, {'throughput-optimized' if self.optimized else 'default mode'}"

    def start(self, fleet: Fleet) -> Running:
        port, *spare = free_ports(5)
        environment = ray_port_ranges(self.name) | {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "0.5",
        }
        names = ("HAPROXY_METRICS_PORT", "HAPROXY_STATS_PORT", "FALLBACK_PROXY_HTTP_PORT", "FALLBACK_PROXY_GRPC_PORT")
        environment |= {f"RAY_SERVE_{name}": str(number) for name, number in zip(names, spare, strict=True)}
        if self.optimized:
            environment |= _OPTIMIZED
        command = [sys.executable, "-m", "bench.live.ray_serve_app", "--port", str(port), "--replicas", str(len(fleet.urls))]
        program = Program(self.name, command, environment)
        target = Target(f"http://127.0.0.1:{port}")
        program.wait_until(lambda: answers(f"{target.url}/v1/models"), _START_TIMEOUT_S)
        return Running(target, MODEL, importlib.metadata.version("ray"), [(program, classify)], own=program)


RAY_SERVE = (RayServe(optimized=False), RayServe(optimized=True))
