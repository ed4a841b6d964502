"""What is read from a rolling change: failures, gaps, and when new replicas got their first request."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.rolling.load import Asked
from bench.rolling.report import Phase, longest_gap, new_replicas, of_phase, ready_times

PHASE = Phase("deploy", began_s=100.0, deployed_s=120.0, ended_s=160.0, load_average=1.0)


def asked(at_s: float, replica: str = "old", kind: str = "short", lasts_s: float = 0.1, failure: str | None = None) -> Asked:
    first_s = None if failure else at_s + 0.05
    return Asked(at_s, kind, first_s, at_s + lasts_s, 200, replica, 0 if failure else 4, failure)


def test_a_gap_is_the_longest_time_without_a_first_token() -> None:
    steady = [asked(100.0 + tick) for tick in range(60)]
    assert round(longest_gap(steady, PHASE), 2) == 1.0
    away = [each for each in steady if not 110 <= each.sent_s < 118]
    assert round(longest_gap(away, PHASE), 2) == 9.0
    assert longest_gap([], PHASE) == 60.0


def test_requests_that_began_before_the_change_count_when_they_fail_in_it() -> None:
    told = of_phase(
        PHASE,
        [asked(90.0, kind="long", lasts_s=20.0, failure="refused"), asked(80.0, failure="before"), asked(101.0), asked(161.0)],
        {},
    )
    assert (told["failed"], told["cut"], told["failures"]) == (1, 0, {"long: refused": 1})
    assert (told["requests"], told["long streams across the change"]) == (2, 1)


def test_what_ended_in_the_middle_is_cut_and_may_have_said_so() -> None:
    cut = [replace(asked(90.0, kind="long", lasts_s=20.0, failure="cut"), events=3, told=told) for told in (True, False)]
    found = of_phase(PHASE, [*cut, asked(101.0)], {})
    assert (found["failed"], found["cut"], found["cut and told so"]) == (0, 2, 1)


def test_a_late_first_token_is_slow() -> None:
    late = replace(asked(101.0), first_s=102.5)
    assert of_phase(PHASE, [late, asked(102.0)], {})["slow (first token after 1 s)"] == 1


def test_a_new_replica_s_first_request_and_its_growing_share() -> None:
    before = [asked(110.0 + tick / 2) for tick in range(10)]
    after = [asked(115.0 + tick / 2, "new" if tick >= 4 and tick % 2 == 0 else "old") for tick in range(60)]
    (told,) = new_replicas(PHASE, before + after, {"old": 50.0, "new": 114.0, "later": 170.0})
    assert told["first routed after ready s"] == 3.0
    assert told["share of short requests since then"] == {"0-5 s": 0.5, "5-10 s": 0.5, "10-20 s": 0.5, "20-30 s": 0.5}
    (never,) = new_replicas(PHASE, before, {"new": 114.0})
    assert never["first routed after ready s"] is None


def test_replicas_say_in_their_logs_when_they_were_ready(tmp_path: Path) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    line = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "logger": "cluster.runtime.served_engine",
        "message": "replica r-1 on node n is ready",
        "replica": "r-1",
    }
    other = line | {"logger": "elsewhere", "replica": "r-2"}
    lines = ["no JSON, and is ready", json.dumps(other), json.dumps(line), ""]
    (tmp_path / "worker-1.err").write_text("\n".join(lines))
    assert ready_times(tmp_path) == {"r-1": at.timestamp()}
