"""When replicas tell gateways what they have: over channels soon after it has changed, through Ray Serve from time to time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from math import inf

from cluster.replay.engine import SimulatedEngine
from cluster.replay.gateway import SimulatedGateway
from cluster.replay.residency import Listener
from cluster.routing.policy import ReplicaReport

REPORT_PERIOD_S = 0.25
"""How often replicas tell all gateways what they have: the default of ``routing.report_period_s``."""

CHANNEL_PERIOD_S = 0.02
"""How often at most a replica tells the gateways that it has channels to: the default of ``routing.load_period_s``."""

CHANNEL_DELAY_S = 0.001
"""How long news take over a channel. So requests that come at the same instant can't know of each other."""


class Reports:
    """Of all replicas to all gateways. Used by one simulation.

    ``channel_period_s``: 0 for a relay without channels. A gateway has a channel to a replica once that took a request of its own,
    and is told nothing through Serve from then on.
    """

    def __init__(
        self,
        engines: Mapping[str, SimulatedEngine],
        gateways: Sequence[SimulatedGateway],
        listeners: Sequence[Listener],
        channel_period_s: float,
    ) -> None:
        self._engines = engines
        self._gateways = gateways
        self._listeners = listeners
        self._period_s = channel_period_s
        self._channels: dict[str, set[int]] = {}  # numbers of gateways by replica
        self._due: list[tuple[float, str]] = []  # heap
        self._awaited: set[str] = set()
        self._told_s: dict[str, float] = {}
        self._next_serve_s = REPORT_PERIOD_S

    @property
    def next_s(self) -> float:
        """When something is told next."""
        return min(self._next_serve_s, self._due[0][0] if self._due else inf)

    def connect(self, gateway: int, replica_id: str) -> None:
        """A replica took a request of this gateway."""
        if self._period_s > 0.0:
            self._channels.setdefault(replica_id, set()).add(gateway)

    def changed(self, replica_id: str, now_s: float) -> None:
        """The replica was given a request, computed a prompt or ended an answer."""
        if replica_id in self._channels and replica_id not in self._awaited:
            self._awaited.add(replica_id)
            at_s = max(now_s + CHANNEL_DELAY_S, self._told_s.get(replica_id, -inf) + self._period_s)
            heappush(self._due, (at_s, replica_id))

    def tell(self, now_s: float) -> None:
        """Tell what is due."""
        while self._due and self._due[0][0] <= now_s:
            self._tell_channels(heappop(self._due)[1], now_s)
        if self._next_serve_s <= now_s:
            self._next_serve_s += REPORT_PERIOD_S
            self.tell_all(now_s)

    def _tell_channels(self, replica_id: str, now_s: float) -> None:
        self._awaited.discard(replica_id)
        self._told_s[replica_id] = now_s
        engine = self._engines.get(replica_id)
        if engine is not None:
            report = ReplicaReport(engine.pending_tokens, engine.given_tokens, tuple(engine.fresh_marks))
            engine.fresh_marks.clear()
            self._say(engine, report, sorted(self._channels[replica_id]), now_s)

    def tell_all(self, now_s: float) -> None:
        """What Ray Serve carries, and what engines tell of their caches."""
        for replica_id, engine in self._engines.items():
            report = ReplicaReport(engine.pending_tokens, engine.given_tokens, tuple(engine.recent_marks))
            engine.recent_marks.clear()
            if engine.residency is not None:
                engine.residency.tell(replica_id, self._listeners)
            connected = self._channels.get(replica_id, ())
            self._say(engine, report, [number for number in range(len(self._gateways)) if number not in connected], now_s)

    def _say(self, engine: SimulatedEngine, report: ReplicaReport, numbers: Sequence[int], now_s: float) -> None:
        for number in numbers:
            gateway = self._gateways[number]
            gateway.fleet.reported(engine.replica_id, engine.ongoing, now_s)
            gateway.policy.reported(engine.replica_id, report, now_s)
