"""Can the edges listen where the configuration says?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.runtime.doctor.finding import Finding, Reporter
from cluster.runtime.preparation import edge_ports, port_problem
from cluster.runtime.run_record import RunRecord


class Ports(Reporter):
    """``run``: the cluster that runs from the configured data folder, whose ports must be taken instead of free."""

    name: ClassVar[str] = "ports"

    def __init__(
        self,
        config: ClusterConfig,
        run: RunRecord | None,
        problem: Callable[[str, str, int], str | None] = port_problem,
    ) -> None:
        self._config = config
        self._run = run
        self._problem = problem

    async def findings(self) -> Sequence[Finding]:
        return [self._port(setting, host, port) for setting, (host, port) in edge_ports(self._config).items()]

    def _port(self, setting: str, host: str, port: int) -> Finding:
        problem = self._problem(setting, host, port)
        if self._run is not None:
            if problem is not None:
                return self.ok(setting, f"{host}:{port} is in use, and a cluster runs here (process {self._run.pid})")
            return self.warning(
                setting,
                f"a cluster runs here (process {self._run.pid}), but nothing listens on {host}:{port}",
                "It may still be starting (`ossature status`), or run with another configuration than this one.",
            )
        if problem is None:
            return self.ok(setting, f"{host}:{port} is free")
        if self._config.ray.address is not None:
            return self.unknown(
                setting,
                f"this machine can't listen on {host}:{port}; with ray.address the edges run on the nodes of that Ray",
                "Run `ossature doctor` on a node that takes gateways.",
            )
        cause, _, step = problem.partition(" Set ")
        return self.problem(setting, cause, f"Set {step}" if step else f"Set {setting.partition('.')[0]}.host to one that it has.")
