"""Metrics of jobs: those of a worker, and those that gateways find in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, gauge, histogram


class JobRunMetrics:
    """One object in a process with a worker. ``kinds``: those that it has handlers for."""

    def __init__(self, kinds: Iterable[str], *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        kinds = list(kinds)
        self._runs = Family(histogram(catalog.jobs.JOB_RUNS, registry))
        self._takeovers = Family(counter(catalog.jobs.JOB_TAKEOVERS, registry))
        self._runs.create(kinds, labels.JOB_OUTCOMES)
        self._takeovers.create(kinds)

    def job_taken_over(self, kind: str) -> None:
        """A job was leased whose worker was lost."""
        self._takeovers(kind).inc()

    def job_run_ended(self, kind: str, outcome: str, duration_s: float) -> None:
        """``outcome``: one of ``labels.JOB_OUTCOMES``."""
        self._runs(kind, labels.known(outcome, labels.JOB_OUTCOMES)).observe(duration_s)


class JobCensusMetrics:
    """One object in a gateway process. Kinds of jobs are names in the code, never a caller's."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._jobs = Family(gauge(catalog.jobs.JOBS, registry))
        self._waiting = Family(gauge(catalog.jobs.JOB_WAIT, registry))
        self._kinds: set[str] = set()

    def counted(self, jobs: Mapping[tuple[str, str], int], waiting_s: Mapping[str, float]) -> None:
        """``jobs``: how many by kind and state; ``waiting_s``: the longest wait by kind. What is missing is 0."""
        self._kinds |= {kind for kind, _ in jobs}
        for kind in self._kinds:
            for state in labels.JOB_STATES:
                self._jobs(kind, state).set(jobs.get((kind, state), 0))
            self._waiting(kind).set(waiting_s.get(kind, 0.0))
