"""What replicas tell this process of their load over channels.

The channels of the process bring it and its request routers, which Ray Serve makes itself, want it; like ``replicas`` it is where
the two meet.
"""

from __future__ import annotations

from threading import Lock
from typing import Protocol
from weakref import WeakSet

from cluster.routing.pending import LoadReport


class LoadListener(Protocol):
    """A request router. Told of all replicas, its own and others."""

    def replica_told(self, replica_id: str, report: LoadReport) -> None:
        """Called on the event loop of the channels; must not block."""
        ...


class ReplicaLoads:
    """Hands reports on. Listeners that nobody else holds any more are forgotten."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listeners: WeakSet[LoadListener] = WeakSet()

    def listen(self, listener: LoadListener) -> None:
        """Tell ``listener`` from now on."""
        with self._lock:
            self._listeners.add(listener)

    def told(self, replica_id: str, report: LoadReport) -> None:
        """A replica said so."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.replica_told(replica_id, report)


#: Of this process: there is one set of channels in it.
PROCESS_LOADS = ReplicaLoads()
