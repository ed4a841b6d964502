"""Which engine replicas this process can reach now.

Ray Serve constructs the request router itself, from an import string, and hands it nothing of ours; so the router publishes what it
learns here, and the gateway in the same process reads it for readiness and for a clear 503 when a model has no replica.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

OnChange = Callable[[str, frozenset[str]], None]


class ReplicaView:
    """Replica ids by deployment name. Written by routers (possibly on another thread), read by the gateway."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._replicas: dict[str, frozenset[str]] = {}
        self._watchers: list[OnChange] = []

    def publish(self, deployment: str, replica_ids: Iterable[str]) -> None:
        with self._lock:
            replicas = self._replicas[deployment] = frozenset(replica_ids)
            watchers = tuple(self._watchers)
        for watcher in watchers:
            watcher(deployment, replicas)

    def watch(self, watcher: OnChange) -> None:
        """Call ``watcher`` with what is known now, and again with every publication; on the publisher's thread."""
        with self._lock:
            self._watchers.append(watcher)
            known = tuple(self._replicas.items())
        for deployment, replicas in known:
            watcher(deployment, replicas)

    def replicas(self, deployment: str) -> frozenset[str]:
        with self._lock:
            return self._replicas.get(deployment, frozenset())


#: The view of this process: there is one set of routers in it, so there is one view.
PROCESS_VIEW = ReplicaView()
