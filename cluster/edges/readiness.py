"""Whether this gateway can serve: which models have a replica that it can reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.relay.replicas import ReplicaView


@dataclass(frozen=True, slots=True)
class Readiness:
    """``waiting``: models without a running replica. Ready means that every model has one."""

    ready: bool
    waiting: list[str]


class ModelReadiness:
    def __init__(self, deployments: Mapping[str, str], view: ReplicaView) -> None:
        """``deployments``: the deployment that serves each model id."""
        self._deployments = deployments
        self._view = view

    def replicas(self, model: str) -> frozenset[str]:
        """Ids of the model's replicas that can be reached now."""
        return self._view.replicas(self._deployments[model])

    def has_replica(self, model: str) -> bool:
        return bool(self.replicas(model))

    def report(self) -> Readiness:
        waiting = [model for model in self._deployments if not self.has_replica(model)]
        return Readiness(not waiting, waiting)

    def is_ready(self) -> bool:
        return self.report().ready
