"""What a gateway was told of all replicas' prefix caches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from cluster.routing.residency.chains import EVICTED
from cluster.routing.residency.report import Report, Subscribe, unpack

ENTRY_BYTES = 420
"""Memory of an entry: its place in an ordered dictionary, the 16-byte hash, and a dictionary of replicas."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a replica said of a chain: it serves ``tokens`` of a prompt that shares its first ``depth`` blocks."""

    depth: int
    tokens: int


class ResidencyTable:
    """Tokens by chain hash and replica, at most ``capacity`` hashes; the ones told longest ago go first.

    Written by the channels to replicas, read by routers, possibly on another thread. Only who can make a chain can ask for it, and
    chains are keyed by organization, so nothing here tells one organization of another.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = Lock()
        self._tokens: OrderedDict[bytes, dict[str, int]] = OrderedDict()
        self._at: dict[str, Subscribe] = {}  # replicas whose state is known, and which state it is
        self.gaps = 0

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def replicas(self) -> int:
        """Replicas whose caches are known."""
        return len(self._at)

    def apply(self, replica_id: str, report: Report) -> Subscribe | None:
        """Take a report in. Returns what to ask the replica for if reports before it are missing; it is left out then.

        Raises ``ValueError`` for entries that no replica can have packed.
        """
        entries = list(unpack(report.entries))
        with self._lock:
            at = self._at.get(replica_id)
            if report.whole:
                self._drop(replica_id)
                if not report.known:
                    return None
            elif at is None or at.epoch != report.epoch or report.number not in (at.number, at.number + 1):
                self.gaps += 1
                return at or Subscribe()
            self._at[replica_id] = Subscribe(report.epoch, report.number)
            for name, tokens in entries:
                self._tell(replica_id, name, tokens)
            return None

    def forget(self, replica_id: str) -> None:
        """The replica is gone, or can't be heard any more."""
        with self._lock:
            self._drop(replica_id)

    def lookup(self, chain: Sequence[bytes]) -> dict[str, Told | None]:
        """For each replica whose cache is known the deepest that it said of the chain: ``None`` if it said nothing.

        ``tokens`` is 0 where all that it had was evicted.
        """
        with self._lock:
            found: dict[str, Told | None] = {}
            gone: dict[str, Told | None] = {}
            wanted = len(self._at)
            for index in range(len(chain) - 1, -1, -1):
                told = self._tokens.get(chain[index])
                if told is None:
                    continue
                for replica_id, tokens in told.items():
                    if replica_id in found:
                        continue
                    if tokens > EVICTED:
                        found[replica_id] = Told(index + 1, tokens)
                    elif replica_id not in gone:
                        gone[replica_id] = Told(0, 0)
                if len(found) == wanted:
                    return found
            return dict.fromkeys(self._at) | gone | found

    def _tell(self, replica_id: str, name: bytes, tokens: int) -> None:
        if tokens < EVICTED:
            told = self._tokens.get(name)
            if told is not None:
                told.pop(replica_id, None)
                if not told:
                    del self._tokens[name]
            return
        told = self._tokens.get(name)
        if told is None:
            told = self._tokens[name] = {}
            if len(self._tokens) > self.capacity:
                self._tokens.popitem(last=False)
        else:
            self._tokens.move_to_end(name)
        told[replica_id] = tokens

    def _drop(self, replica_id: str) -> None:
        """Takes time in proportion to the table: about 10 ms for 200,000 entries."""
        known = self._at.pop(replica_id, None)
        if known is None:
            return
        empty: list[bytes] = []
        for name, told in self._tokens.items():
            if told.pop(replica_id, None) is not None and not told:
                empty.append(name)
        for name in empty:
            del self._tokens[name]
