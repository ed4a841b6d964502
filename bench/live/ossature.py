"""Rows that are this cluster: with fake engines in front of nothing but themselves, or with real ones. One row a kind of relay."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.fakes.worker import MODEL
from bench.live.stack import BACKGROUND, CORE, FRONT_END, ROUTER, Fleet, Running
from bench.load import Target
from bench.programs import FOLDER, Program, Unavailable, answers, free_ports
from cluster.config.settings.routing import RelaySettings

_START_TIMEOUT_S = 300.0
_STOP_GRACE_S = 60.0
#: The setting that chooses the relay: the one that can be `handle`.
RELAY_SETTING = next(name for name, field in RelaySettings.model_fields.items() if "handle" in typing.get_args(field.annotation))
RELAYS: tuple[str, ...] = typing.get_args(RelaySettings.model_fields[RELAY_SETTING].annotation)
DEFAULT_RELAY: str = RelaySettings.model_fields[RELAY_SETTING].default


def classify(title: str) -> str:
    """Processes of a cluster by their titles."""
    if "EngineCore" in title or "VLLM::Worker" in title:
        return CORE
    if title.startswith("ray::ServeReplica:ossature:engine"):
        return FRONT_END
    if title.startswith("ray::ServeReplica:ossature:gateway") or Path(title.split(" ", 1)[0]).name == "haproxy":
        return ROUTER
    return BACKGROUND


def classify_direct(title: str) -> str:
    """The same where clients talk to the gateway itself."""
    return BACKGROUND if Path(title.split(" ", 1)[0]).name == "haproxy" else classify(title)


Kind = Literal["real", "scripted", "fake"]
_PROGRAMS: Mapping[Kind, Sequence[str]] = {
    "real": ("cluster.cli", "serve"),
    "scripted": ("bench.live.ossature_server", "--scripted"),
    "fake": ("bench.live.ossature_server",),
}


class Cluster(Program):
    """A cluster that runs from a folder of its own, which tells where it answers."""

    def __init__(
        self, name: str, settings: Mapping[str, Any], *, engine: Kind = "real", timeout_s: float = _START_TIMEOUT_S
    ) -> None:
        """``engine``: vLLM, vLLM with a fake executor, or a fake."""
        folder = FOLDER / "run" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        http, grpc, metrics = free_ports(3)
        config = {
            "data_dir": str(folder / "data"),
            "http": {"port": http},
            "grpc": {"port": grpc},
            "metrics": {"port": metrics},
            "identity": {"development_organization": "Bench"},
            "logging": {"level": "WARNING"},
            "speech": {"enabled": False},
            **settings,
        }
        path = folder / "config.json"  # JSON is YAML
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", *_PROGRAMS[engine], "--config", str(path)]
        ports = ray_port_ranges(name)
        super().__init__(name, command, ports)
        endpoints = folder / "data" / "endpoints.json"
        self.wait_until(endpoints.exists, timeout_s)
        self.endpoints = json.loads(endpoints.read_text())
        # The first port of the range: only gateways open one, and there is one.
        self._gateway = f"http://127.0.0.1:{ports['RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT']}"

    def running(self, model: str, *, direct: bool = False) -> Running:
        """``direct``: without HAProxy, to the gateway's own port. Raises ``Unavailable`` if the gateway has another one."""
        if direct and not answers(f"{self._gateway}/healthz"):
            raise Unavailable(f"no gateway answers at {self._gateway}")
        url = self._gateway if direct else self.endpoints["http"]
        target = Target(url, {"authorization": f"Bearer {self.endpoints['api_key']}"})
        sorts = classify_direct if direct else classify
        return Running(target, model, importlib.metadata.version("ossature"), [(self, sorts)], own=self)

    def stop(self, grace_s: float = _STOP_GRACE_S) -> None:
        super().stop(grace_s)


def ray_port_ranges(name: str) -> dict[str, str]:
    """Port ranges for Serve's replicas that differ by row: several clusters of one host would try the same ports."""
    start = 20_000 + 200 * (sum(name.encode()) % 40)
    return {
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(start + 99),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(start + 100),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(start + 199),
    }


@dataclass(frozen=True, slots=True)
class FakeEngines:
    """The cluster with as many fake engines as there are workers: tenancy, accounting and metrics as always."""

    relay: str = DEFAULT_RELAY
    direct: bool = False
    peer: bool = False

    @property
    def name(self) -> str:
        if self.direct:
            return "ossature-gateway"
        return "ossature" if self.relay == DEFAULT_RELAY else f"ossature-{self.relay}"

    @property
    def title(self) -> str:
        return "Ossature, gateway alone" if self.direct else f"Ossature ({self.relay})"

    def start(self, fleet: Fleet) -> Running:
        model = {
            "id": MODEL,
            "source": MODEL,
            "replicas": len(fleet.urls),
            "max_ongoing_requests": 512,
            "placement": {"cpus_per_worker": 0.1},
        }
        settings = {"ray": {"num_cpus": 2}, "relay": {RELAY_SETTING: self.relay}, "models": [model]}
        cluster = Cluster(self.name, settings, engine="fake")
        return cluster.running(MODEL, direct=self.direct)


OSSATURE = (
    *(FakeEngines(relay) for relay in sorted(RELAYS, key=lambda kind: kind != DEFAULT_RELAY)),
    FakeEngines(direct=True),
)
