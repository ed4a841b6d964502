"""What a phase of a rolling change has meant to clients, from the requests and from the replicas' own logs."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.rolling.load import Asked

_READY = "is ready"
_ENGINE_LOGGER = "cluster.runtime.served_engine"
#: A first token that comes later than this is counted as slow, in seconds. Without a change they come after some 30 ms.
SLOW_S = 1.0
_SLOW_START_WINDOWS_S = ((0, 5), (5, 10), (10, 20), (20, 30), (30, 45))


@dataclass(frozen=True, slots=True)
class Phase:
    """``name``, when its change was asked for and when Serve said that all of it runs; Unix seconds.

    ``load_average``: of the machine, over the last minute of it.
    """

    name: str
    began_s: float
    deployed_s: float
    ended_s: float
    load_average: float


def ready_times(session_logs: Path) -> dict[str, float]:
    """By replica the Unix time at which its engine was ready, as its log has it."""
    found: dict[str, float] = {}
    for path in session_logs.glob("worker-*"):
        for line in path.read_text(errors="replace").splitlines():
            if _READY not in line or not line.startswith("{"):
                continue
            record = json.loads(line)
            if record["logger"] == _ENGINE_LOGGER and "replica" in record:
                found[record["replica"]] = datetime.fromisoformat(record["time"]).timestamp()
    return found


def of_phase(phase: Phase, asked: Sequence[Asked], ready_s: Mapping[str, float]) -> dict[str, Any]:
    mine = [one for one in asked if phase.began_s <= one.sent_s < phase.ended_s]
    across = [one for one in asked if one.sent_s < phase.ended_s and one.end_s > phase.began_s]
    failures = [one for one in across if one.failure is not None]
    ttft = [one.first_s - one.sent_s for one in mine if one.kind == "short" and one.first_s is not None]
    return {
        "phase": phase.name,
        "load average": round(phase.load_average, 1),
        "deployed after s": round(phase.deployed_s - phase.began_s, 1),
        "requests": len(across),
        "long streams": sum(1 for one in across if one.kind == "long"),
        "long streams across the change": sum(
            1 for one in across if one.kind == "long" and one.sent_s < phase.deployed_s and one.end_s > phase.began_s
        ),
        "on connections that were idle": sum(1 for one in across if one.kind == "idle"),
        "failed": sum(1 for one in failures if not one.cut),
        "cut": sum(1 for one in failures if one.cut),
        "cut and told so": sum(1 for one in failures if one.cut and one.told),
        f"slow (first token after {SLOW_S:g} s)": sum(1 for one in ttft if one > SLOW_S),
        "told to retry after s": sorted({one.retry_after_s for one in failures if one.retry_after_s is not None}),
        "failures": dict(Counter(f"{one.kind}: {one.failure}" for one in failures).most_common(5)),
        "longest time without a first token s": round(longest_gap(mine, phase), 2),
        "short requests' first token, median ms": round(statistics.median(ttft) * 1e3, 1) if ttft else None,
        "its longest ms": round(max(ttft) * 1e3, 1) if ttft else None,
        "new replicas": new_replicas(phase, asked, ready_s),
    }


def longest_gap(asked: Iterable[Asked], phase: Phase) -> float:
    """The longest stretch in which no short request got its first token, in seconds."""
    moments = sorted(one.first_s for one in asked if one.kind == "short" and one.first_s is not None and one.failure is None)
    edges = [phase.began_s, *moments, max([phase.ended_s, *moments[-1:]])]
    return max((later - earlier for earlier, later in pairwise(edges)), default=0.0)


def new_replicas(phase: Phase, asked: Sequence[Asked], ready_s: Mapping[str, float]) -> list[dict[str, Any]]:
    """For each replica that became ready in this phase: when its first request was sent, and its share of requests after that."""
    found = []
    for replica, ready in sorted(ready_s.items(), key=lambda item: item[1]):
        if not phase.began_s <= ready < phase.ended_s:
            continue
        mine = sorted(one.sent_s for one in asked if one.replica == replica)
        first = mine[0] if mine else None
        shares = {}
        for low, high in _SLOW_START_WINDOWS_S if first is not None else ():
            assert first is not None
            window = [one for one in asked if first + low <= one.sent_s < first + high and one.replica and one.kind == "short"]
            if window and first + high <= phase.ended_s:
                shares[f"{low}-{high} s"] = round(sum(one.replica == replica for one in window) / len(window), 2)
        found.append(
            {
                "first routed after ready s": round(first - ready, 2) if first is not None else None,
                "share of short requests since then": shares,
            }
        )
    return found
