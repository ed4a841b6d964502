"""What the replay says of the workload that real engines were given: same arrivals, organizations, lengths and policy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.engines.workload import Ask
from bench.load import Sample
from cluster.replay.engine_profile import EngineProfile
from cluster.replay.policies import POLICIES
from cluster.replay.report import percentile
from cluster.replay.simulation import Scenario, Simulation, Trip
from cluster.replay.workload import SimulatedRequest, Workload

#: Between the requests that fill the caches, which are sent one by one.
_ALONE_S = 10.0
_OUTPUT_TOKENS = 2


def as_workload(first: Sequence[Ask], asks: Sequence[Ask], tokens: Mapping[Ask, int], block_tokens: int) -> tuple[Workload, float]:
    """The requests as the replay sees them, and when the measured ones begin, in seconds. ``tokens``: of each prompt, as the engine

    counted them.
    """
    began_s = _ALONE_S * (len(first) + 1)
    names = itertools.count(10_000_000)
    requests = []
    for number, ask in enumerate([*first, *asks]):
        length = tokens[ask]
        shared = int(length * len(ask.prefix) / (len(ask.prefix) + 1 + len(ask.question))) // block_tokens
        blocks = [ask.organization * 100_000 + block for block in range(shared)]
        blocks += [next(names) for _ in range(-(-length // block_tokens) - shared)]
        at_s = _ALONE_S * number if number < len(first) else began_s + ask.at_s
        requests.append(SimulatedRequest(at_s, f"org-{ask.organization}", length, _OUTPUT_TOKENS, tuple(blocks)))
    return Workload("engines", block_tokens, requests), began_s


def predicted(workload: Workload, began_s: float, profile: EngineProfile, policy: str, replicas: int) -> dict[str, float]:
    """The figures that are measured as well: times to the first token in seconds, and hits."""
    outcome = Simulation(workload, Scenario(replicas=replicas, profile=profile), POLICIES[policy]).run()
    trips: list[Trip] = [trip for trip in outcome.trips if trip.request.arrival_s >= began_s]
    ttft_s = sorted(trip.ttft_s for trip in trips)
    prompt_tokens = sum(trip.request.input_tokens for trip in trips)
    hit_tokens = sum(trip.cached_tokens for trip in trips)
    return {
        "ttft_mean_s": sum(ttft_s) / len(ttft_s),
        "ttft_p50_s": percentile(ttft_s, 0.5),
        "ttft_p90_s": percentile(ttft_s, 0.9),
        "ttft_p99_s": percentile(ttft_s, 0.99),
        "hit_tokens": hit_tokens,
        "hit_share": hit_tokens / prompt_tokens,
    }


def render(measured: Mapping[str, Mapping[str, Any]], predictions: Mapping[str, Mapping[str, float]]) -> str:
    """Both, side by side, in Markdown: measured → predicted."""
    lines = ["| policy | TTFT p50 s | p90 s | mean s | hit share |", "|---|---:|---:|---:|---:|"]
    for policy, said in predictions.items():
        of = measured[policy]
        cells = [f"{of[key]:.2f} → {said[key]:.2f}" for key in ("ttft_p50_s", "ttft_p90_s", "ttft_mean_s")]
        lines.append(f"| {policy} | " + " | ".join([*cells, f"{of['hit_share']:.1%} → {said['hit_share']:.1%}"]) + " |")
    return "\n".join(lines)


def token_counts(asks: Sequence[Ask], samples: Sequence[Sample]) -> dict[Ask, int]:
    """Prompt tokens of each request, from the answers in the order in which they were sent."""
    return {ask: sample.prompt_tokens for ask, sample in zip(asks, sorted(samples, key=lambda sample: sample.sent_s), strict=True)}


def as_json(profile: EngineProfile) -> dict[str, object]:
    return asdict(profile)
