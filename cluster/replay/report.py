"""What a replay's outcome says: hits against the oracle, latency, spread of load, fairness between organizations."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cluster.replay.simulation import Outcome
from cluster.routing.ticket import Affinity


@dataclass(frozen=True, slots=True)
class Report:
    """One policy's figures. Times in milliseconds of the simulation, but ``decision_us``, which is this machine's.

    ``load_spread``: the busiest replica's engine work over the mean, over those that were there all the time. ``org_spread``: the
    slowest organization's mean TTFT over the mean of all organizations. ``forced_off``: requests that load kept from the replica
    that held most of their prompt; ``None`` for policies that can't tell.
    """

    policy: str
    requests: int
    failed: int
    input_tokens: int
    hit_tokens: int
    oracle_hit_tokens: int
    ttft_mean_ms: float
    ttft_p50_ms: float
    ttft_p90_ms: float
    ttft_p99_ms: float
    duration_p50_ms: float
    load_spread: float
    org_spread: float
    forced_off: int | None
    home_share: float | None
    decision_us: float
    index_entries: int | None

    @property
    def hit_rate(self) -> float:
        return self.hit_tokens / self.input_tokens

    @property
    def of_oracle(self) -> float:
        return self.hit_tokens / self.oracle_hit_tokens if self.oracle_hit_tokens else 1.0

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "hit_rate": self.hit_rate, "of_oracle": self.of_oracle}


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all are not above."""
    return ascending[min(len(ascending) - 1, max(0, -int(-share * len(ascending) // 1) - 1))]


def report(policy: str, outcome: Outcome, oracle_hit_tokens: int) -> Report:
    done = [trip for trip in outcome.trips if not trip.failed]
    ttft_ms = sorted(trip.ttft_s * 1000.0 for trip in done)
    by_org: dict[str, list[float]] = defaultdict(list)
    for trip in done:
        by_org[trip.request.org].append(trip.ttft_s * 1000.0)
    org_means = [statistics.fmean(values) for values in by_org.values()]
    work = [engine.totals.work_ms for engine in outcome.engines]
    tickets = [trip.ticket for trip in done if trip.ticket is not None]
    estimates = [ticket.estimate for ticket in tickets if ticket.estimate is not None]
    homed = [ticket for ticket in tickets if ticket.affinity is not Affinity.NONE]
    return Report(
        policy=policy,
        requests=len(outcome.trips),
        failed=len(outcome.trips) - len(done),
        input_tokens=sum(trip.request.input_tokens for trip in done),
        hit_tokens=sum(trip.cached_tokens for trip in done),
        oracle_hit_tokens=oracle_hit_tokens,
        ttft_mean_ms=statistics.fmean(ttft_ms),
        ttft_p50_ms=percentile(ttft_ms, 0.5),
        ttft_p90_ms=percentile(ttft_ms, 0.9),
        ttft_p99_ms=percentile(ttft_ms, 0.99),
        duration_p50_ms=percentile(sorted(trip.duration_s * 1000.0 for trip in done), 0.5),
        load_spread=max(work) / statistics.fmean(work),
        org_spread=max(org_means) / statistics.fmean(org_means),
        forced_off=sum(estimate.forced_off for estimate in estimates) if estimates else None,
        home_share=sum(t.affinity is Affinity.HOME for t in homed) / len(homed) if homed else None,
        decision_us=outcome.decision_us,
        index_entries=max((getattr(gateway.policy, "index_entries", 0) for gateway in outcome.gateways), default=0) or None,
    )
