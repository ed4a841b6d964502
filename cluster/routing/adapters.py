"""Where adapters of tuned models are loaded, and what it costs to send a request elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

TAG_BYTES = 8

MAX_EXPECTED = 1024
"""Adapters that a replica may be expected to load between two of its reports. It forgets some of them itself by then."""


def adapter_tag(name: str) -> bytes:
    """How routers and replicas call an adapter among themselves."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=TAG_BYTES).digest()


class AdapterPlaces:
    """What replicas have told, and what they were sent since. Not thread-safe.

    ``load_ms``: what a load takes for as long as no replica has measured one.
    """

    def __init__(self, load_ms: float) -> None:
        self._default_ms = load_ms
        self._held: dict[str, set[bytes]] = {}
        self._measured_ms: dict[str, float] = {}

    def reported(self, replica_id: str, tags: Collection[bytes], load_ms: float) -> None:
        """A replica told which adapters it holds, and what loading one takes there (0: not known)."""
        self._held[replica_id] = set(tags)
        if load_ms > 0.0:
            self._measured_ms[replica_id] = load_ms

    def sent(self, replica_id: str, tag: bytes) -> None:
        """A request goes there, and the replica will load its adapter."""
        held = self._held.setdefault(replica_id, set())
        if len(held) < MAX_EXPECTED:
            held.add(tag)

    def holds(self, replica_id: str, tag: bytes) -> bool:
        return tag in self._held.get(replica_id, ())

    def missing_ms(self, replica_id: str, tag: bytes) -> float:
        """Milliseconds until the replica could answer with the adapter: 0 where it is loaded."""
        if self.holds(replica_id, tag):
            return 0.0
        measured_ms = self._measured_ms
        if replica_id in measured_ms:
            return measured_ms[replica_id]
        # What another one took says more than a setting.
        return sum(measured_ms.values()) / len(measured_ms) if measured_ms else self._default_ms

    def forget(self, replica_id: str) -> None:
        self._held.pop(replica_id, None)
        self._measured_ms.pop(replica_id, None)
