"""The one actor of the cluster that belongs to no deployment.

It keeps a metrics exporter on every node (Ray nodes come and go), and the board on which engine replicas write how their cold start
goes, since a replica that is starting can't be asked.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.config.schema import ClusterConfig
from cluster.config.settings.telemetry import LoggingSettings, MetricsSettings
from cluster.runtime import ray_cluster
from cluster.runtime.endpoints import reachable
from cluster.telemetry import logs
from cluster.telemetry.exporter import NodeExporter

logger = logging.getLogger(__name__)

NAME = "ossature-supervisor"
_RECONCILE_PERIOD_S = 5.0
_MAX_COLD_STARTS = 200


@dataclass(slots=True)
class ColdStart:
    """``phases``: seconds by phase, in order; ``done`` once the replica can serve. ``started_unix_s``: seconds."""

    replica: str
    model: str
    pid: int
    started_unix_s: float
    phases: dict[str, float]
    done: bool = False


class FormerSupervisor(Exception):
    """There is one already, of another launcher: of one that lives, or whose death Ray hasn't noticed yet."""


class ExporterActor:
    """Holds one node's exporter."""

    def __init__(self, directory: str, host: str, port: int, ingress: str, logging_settings: LoggingSettings) -> None:
        logs.configure(logging_settings, "exporter")
        self._exporter = NodeExporter(Path(directory), host, port, ingress)
        self._exporter.start()

    def alive(self) -> bool:
        return True


class Supervisor:
    def __init__(self, metrics: MetricsSettings, ingress: str, directory: str, logging_settings: LoggingSettings) -> None:
        logs.configure(logging_settings, "supervisor")
        self._ingress = ingress
        self._metrics = metrics
        self._directory = directory
        self._logging = logging_settings
        self._exporters: dict[str, Any] = {}
        self._cold_starts: dict[str, ColdStart] = {}

    async def watch_nodes(self) -> None:
        """Runs for the actor's life."""
        while True:
            try:
                await self._reconcile()
            except Exception:
                # A node without an exporter is better than a cluster in which no later node gets one.
                logger.exception("looking after the metrics exporters failed; trying again in %.0f s", _RECONCILE_PERIOD_S)
            await asyncio.sleep(_RECONCILE_PERIOD_S)

    async def ready(self) -> bool:
        """Whether every node that is known has a running exporter."""
        await self._reconcile()
        await asyncio.gather(*(exporter.alive.remote() for exporter in self._exporters.values()))
        return bool(self._exporters)

    async def begin(self, replica: str, model: str, pid: int, started_unix_s: float) -> None:
        while len(self._cold_starts) >= _MAX_COLD_STARTS:
            del self._cold_starts[next(iter(self._cold_starts))]
        self._cold_starts[replica] = ColdStart(replica, model, pid, started_unix_s, {})

    async def phase(self, replica: str, phase: str, seconds: float) -> None:
        if replica in self._cold_starts:
            self._cold_starts[replica].phases[phase] = seconds

    async def done(self, replica: str) -> None:
        if replica in self._cold_starts:
            self._cold_starts[replica].done = True

    async def cold_starts(self) -> list[ColdStart]:
        return list(self._cold_starts.values())

    async def _reconcile(self) -> None:
        alive = {node["NodeID"] for node in await asyncio.to_thread(ray.nodes) if node["Alive"]}
        for gone in self._exporters.keys() - alive:
            del self._exporters[gone]
        for node in alive - self._exporters.keys():
            logger.info("starting the metrics exporter of node %s", node)
            self._exporters[node] = (
                ray.remote(ExporterActor)
                .options(
                    num_cpus=0,
                    max_restarts=-1,
                    max_task_retries=3,
                    # The exporter reads the multi-process files; it must not be one of the processes that write them.
                    runtime_env={"env_vars": {"PROMETHEUS_MULTIPROC_DIR": ""}},
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
                )
                .remote(self._directory, self._metrics.host, self._metrics.port, self._ingress, self._logging)
            )


def start(config: ClusterConfig, directory: str, *, detached: bool = False) -> Any:
    """Start the supervisor of a cluster that has none and return its handle. ``directory``: of the metrics.

    ``detached``: it outlives the process that starts it, and runs on the head, which lives as long as the cluster does. Another
    one goes with its launcher. Raises :class:`FormerSupervisor` while there is one.
    """
    lifetime: dict[str, Any] = {}
    if detached:
        lifetime = {"lifetime": "detached", "namespace": ray_cluster.NAMESPACE, "resources": ray_cluster.ON_HEAD}
    actor = ray.remote(Supervisor).options(name=NAME, num_cpus=0, max_restarts=-1, max_task_retries=3, **lifetime)
    ingress = f"http://{reachable(config.http.host)}:{config.http.port}"
    try:
        keeper = actor.remote(config.metrics, ingress, directory, config.logging)
    except ray.exceptions.ActorAlreadyExistsError as error:
        raise FormerSupervisor(NAME) from error
    keeper.watch_nodes.remote()
    return keeper


def find() -> Any:
    """The running supervisor's handle. Raises ``ValueError`` where there is none."""
    return ray.get_actor(NAME, namespace=ray_cluster.NAMESPACE)
