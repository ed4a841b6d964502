"""Which engine replicas this process can reach now.

Ray Serve constructs the request router itself, from an import string, and hands it nothing of ours; so the router publishes what it
learns here, and the gateway in the same process reads it for readiness and for a clear 503 when a model has no replica.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock


class ReplicaView:
    """Replica ids by deployment name. Written by routers (possibly on another thread), read by the gateway."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._replicas: dict[str, frozenset[str]] = {}

    def publish(self, deployment: str, replica_ids: Iterable[str]) -> None:
        with self._lock:
            self._replicas[deployment] = frozenset(replica_ids)

    def replicas(self, deployment: str) -> frozenset[str]:
        with self._lock:
            return self._replicas.get(deployment, frozenset())


#: The view of this process: there is one set of routers in it, so there is one view.
PROCESS_VIEW = ReplicaView()
