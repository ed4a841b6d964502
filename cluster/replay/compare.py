"""Several policies on the same workload and scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cluster.replay.oracle import oracle_hit_tokens
from cluster.replay.report import Report, report
from cluster.replay.simulation import MakePolicy, Scenario, Simulation
from cluster.replay.workload import Workload

Progress = Callable[[str, int], None]
"""Told of a policy's name and how many requests have arrived."""


def compare(
    workload: Workload,
    scenario: Scenario,
    policies: Mapping[str, MakePolicy],
    names: Iterable[str],
    on_progress: Progress = lambda name, arrived: None,
) -> list[Report]:
    """One report for each name, in that order. Raises ``KeyError`` for a name that ``policies`` lacks."""
    profile = scenario.profile
    oracle = oracle_hit_tokens(workload, scenario.replicas * profile.kv_tokens, profile.retention_interval_tokens)
    reports = []
    for name in names:
        outcome = Simulation(
            workload,
            scenario,
            policies[name],
            lambda arrived, name=name: on_progress(name, arrived),  # type: ignore[misc]
        ).run()
        reports.append(report(name, outcome, oracle))
    return reports
