"""Whether this gateway can serve: which models have a replica that it can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.relay.replicas import ReplicaView
from cluster.tuned.names import is_tuned


@dataclass(frozen=True, slots=True)
class Readiness:
    """``waiting``: models without a running replica. Ready means that every model has one, but for tuned ones with engines of their
    own: whose they are is told to nobody here, and the cluster does not wait for them."""

    ready: bool
    waiting: list[str]


class ModelReadiness:
    def __init__(self, deployments: Mapping[str, str], view: ReplicaView, on_count: Callable[[str, int], None]) -> None:
        """``deployments``: the deployment that serves each model id. ``on_count`` is told each change of a model's replicas."""
        self._deployments = deployments
        self._view = view
        models = {deployment: model for model, deployment in deployments.items()}

        def changed(deployment: str, replicas: frozenset[str]) -> None:
            if deployment in models:
                on_count(models[deployment], len(replicas))

        view.watch(changed)

    def replicas(self, model: str) -> frozenset[str]:
        """Ids of the model's replicas that can be reached now."""
        return self._view.replicas(self._deployments[model])

    def has_replica(self, model: str) -> bool:
        return bool(self.replicas(model))

    def report(self) -> Readiness:
        waiting = [model for model in self._deployments if not is_tuned(model) and not self.has_replica(model)]
        return Readiness(not waiting, waiting)

    def is_ready(self) -> bool:
        return self.report().ready
