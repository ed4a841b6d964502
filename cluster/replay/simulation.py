"""The discrete-event loop: requests arrive at gateways, which choose replicas, which answer."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import inf
from time import perf_counter

from cluster.replay.engine import Job, SimulatedEngine
from cluster.replay.engine_profile import GPT_OSS_120B_H200, EngineProfile
from cluster.replay.fleet_events import Change, FleetEvent
from cluster.replay.gateway import GatewaySettings, SimulatedGateway
from cluster.replay.reports import CHANNEL_PERIOD_S, Reports
from cluster.replay.residency import Listener, SimulatedResidency
from cluster.replay.workload import ChainMaker, SimulatedRequest, Workload
from cluster.routing.policy import Policy
from cluster.routing.residency.table import ResidencyTable
from cluster.routing.ticket import RouteTicket

MakePolicy = Callable[[GatewaySettings, int], Policy]
"""From settings and a seed."""

RETRY_S = 0.05
"""How long a request that found every replica full waits before it asks again."""

MAX_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a replay runs on. ``max_ongoing_requests``: how many a replica takes before it refuses.

    ``channel_period_s``: how often at most replicas tell gateways of their load over channels; 0 leaves that to Ray Serve.
    """

    replicas: int = 4
    gateways: int = 1
    profile: EngineProfile = GPT_OSS_120B_H200
    settings: GatewaySettings = field(default_factory=GatewaySettings)
    events: Sequence[FleetEvent] = ()
    max_ongoing_requests: int = 512
    channel_period_s: float = CHANNEL_PERIOD_S
    seed: int = 0


@dataclass(slots=True, eq=False)
class Trip:
    """One request's way through the simulation. ``ttft_s`` is negative until its first token has come."""

    request: SimulatedRequest
    gateway: int
    chain: tuple[bytes, ...]
    ticket: RouteTicket | None = None
    attempts: int = 0
    excluded: frozenset[str] = frozenset()
    ttft_s: float = -1.0
    duration_s: float = -1.0
    cached_tokens: int = 0
    failed: bool = False


@dataclass(slots=True)
class Outcome:
    """What a replay leaves behind for reports."""

    trips: list[Trip]
    engines: list[SimulatedEngine]
    gateways: list[SimulatedGateway]
    ended_s: float
    decision_us: float


class Simulation:
    """One policy, one workload, one scenario. Deterministic: the same seed gives the same outcome."""

    def __init__(
        self,
        workload: Workload,
        scenario: Scenario,
        make_policy: MakePolicy,
        on_progress: Callable[[int], None] = lambda arrived: None,
    ) -> None:
        self._workload = workload
        self._scenario = scenario
        self._on_progress = on_progress
        settings = scenario.settings
        self._gateways: list[SimulatedGateway] = []
        self._listeners: list[Listener] = []
        for number in range(scenario.gateways):
            own = settings
            if settings.index == "precise":
                table = ResidencyTable(settings.index_entries)
                own = replace(settings, residency=table)
                self._listeners.append(Listener(table))
            self._gateways.append(SimulatedGateway(make_policy(own, scenario.seed * 1000 + number), own))
        self._chains = ChainMaker(workload.block_tokens, settings.block_bytes)
        self._engines: dict[str, SimulatedEngine] = {}
        self._gone: list[SimulatedEngine] = []
        self._draining: set[str] = set()
        self._trips_of: dict[Job, Trip] = {}
        self._queue: list[tuple[float, int, SimulatedEngine]] = []  # engines by their next event; stale entries are skipped
        self._number = 0
        self._jobs = 0
        self._blocked: deque[tuple[float, Trip]] = deque()
        self._decision_s = 0.0
        self._now_s = 0.0
        self._reports = Reports(self._engines, self._gateways, self._listeners, scenario.channel_period_s)
        self._sharing = scenario.gateways > 1

    def run(self) -> Outcome:
        scenario = self._scenario
        for _ in range(scenario.replicas):
            self._join()
        self._announce()
        spread = random.Random(scenario.seed)
        trips = [Trip(request, spread.randrange(scenario.gateways), ()) for request in self._workload.requests]
        events = deque(sorted(scenario.events))
        coming = deque(trips)
        arrived = 0
        while True:
            times = (
                coming[0].request.arrival_s if coming else inf,
                self._queue[0][0] if self._queue else inf,
                self._blocked[0][0] if self._blocked else inf,
                events[0].at_s if events else inf,
                self._reports.next_s,
            )
            self._now_s = now_s = min(times)
            if now_s == inf or (not coming and not self._trips_of and not self._blocked):
                break
            if times[4] == now_s:
                self._reports.tell(now_s)
            elif times[3] == now_s:
                self._change(events.popleft())
            elif times[1] == now_s:
                self._advance()
            elif times[2] == now_s:
                self._route(self._blocked.popleft()[1])
            else:
                trip = coming.popleft()
                trip.chain = self._chains.chain(trip.request)
                self._route(trip)
                arrived += 1
                if arrived % 256 == 0:
                    self._on_progress(arrived)
        self._on_progress(arrived)
        return Outcome(
            trips=trips,
            engines=[*self._engines.values(), *self._gone],
            gateways=self._gateways,
            ended_s=self._now_s,
            decision_us=self._decision_s / max(1, len(trips)) * 1e6,
        )

    def _advance(self) -> None:
        _, _, engine = heappop(self._queue)
        # Other entries of an engine may be stale; what counts is when its next event is now.
        if engine.next_event_s <= self._now_s:
            engine.advance()
            self._schedule(engine)

    def _schedule(self, engine: SimulatedEngine) -> None:
        if engine.next_event_s < inf:
            self._number += 1
            heappush(self._queue, (engine.next_event_s, self._number, engine))

    # --- requests ---------------------------------------------------------------------------------------------------------

    def _route(self, trip: Trip) -> None:
        gateway, now_s = self._gateways[trip.gateway], self._now_s
        ticket = trip.ticket = gateway.ticket(trip.request, trip.chain, trip.excluded)
        began = perf_counter()
        order = gateway.order(ticket, now_s)
        self._decision_s += perf_counter() - began
        for replica_id in order:
            engine = self._engines.get(replica_id)
            if engine is not None and engine.ongoing < self._scenario.max_ongoing_requests:
                break
        else:
            self._blocked.append((now_s + RETRY_S, trip))
            return
        trip.attempts += 1
        self._jobs += 1
        job = Job(
            trip.request,
            now_s,
            expected_tokens=ticket.uncached_tokens,
            marks=ticket.marks if self._sharing else (),
            chain=ticket.chain if ticket.tell_chain else (),
            name=str(self._jobs),
        )
        self._trips_of[job] = trip
        engine.enqueue(job, now_s)
        self._schedule(engine)
        gateway.accepted(ticket, replica_id, engine.ongoing, now_s)
        self._reports.connect(trip.gateway, replica_id)
        self._reports.changed(replica_id, now_s)

    def _first_token(self, job: Job, now_s: float) -> None:
        trip = self._trips_of[job]
        assert trip.ticket is not None
        trip.ttft_s = now_s - trip.request.arrival_s
        trip.cached_tokens = job.cached_tokens
        self._gateways[trip.gateway].first_token(trip.ticket, now_s)
        self._replica_changed(trip.ticket)

    def _finished(self, job: Job, now_s: float) -> None:
        trip = self._trips_of.pop(job)
        assert trip.ticket is not None
        trip.duration_s = now_s - trip.request.arrival_s
        trip.chain = ()
        self._gateways[trip.gateway].finished(trip.ticket, job, now_s)
        self._replica_changed(trip.ticket)

    def _replica_changed(self, ticket: RouteTicket) -> None:
        assert ticket.replica_id is not None
        self._reports.changed(ticket.replica_id, self._now_s)

    # --- replicas ---------------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        replica_id = f"replica-{len(self._engines) + len(self._gone)}"
        engine = self._engines[replica_id] = SimulatedEngine(
            replica_id, self._scenario.profile, self._workload.block_tokens, self._first_token, self._finished
        )
        settings = self._scenario.settings
        if settings.index == "precise":
            epoch = len(self._engines) + len(self._gone)
            engine.residency = SimulatedResidency(engine.cache, settings.block_bytes, settings.index_entries, epoch)

    def _announce(self) -> None:
        for gateway in self._gateways:
            for gone in gateway.fleet.update(self._engines, self._now_s):
                gateway.policy.forget(gone)

    def _change(self, event: FleetEvent) -> None:
        replica_id = f"replica-{event.replica}"
        if event.change is Change.JOIN:
            self._join()
            self._announce()
        elif event.change is Change.DRAIN:
            for gateway in self._gateways:
                gateway.fleet.drain(replica_id)
        elif replica_id in self._engines:
            engine = self._engines.pop(replica_id)
            engine.next_event_s = inf
            self._gone.append(engine)
            self._announce()
            for job in engine.jobs:
                self._lost(job, replica_id)

    def _lost(self, job: Job, replica_id: str) -> None:
        """As the real gateway does: before its first token a request is sent once more, elsewhere; later it has failed."""
        trip = self._trips_of.pop(job)
        assert trip.ticket is not None
        self._gateways[trip.gateway].finished(trip.ticket, None, self._now_s)
        if trip.ttft_s < 0.0 and trip.attempts < MAX_ATTEMPTS:
            trip.excluded |= {replica_id}
            self._route(trip)
        else:
            trip.failed = True
