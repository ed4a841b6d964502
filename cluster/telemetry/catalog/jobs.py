"""Evals, fine-tuning and whatever else runs as a job."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import JOB_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

JOBS = Metric(
    "ossature_jobs",
    Kind.GAUGE,
    Source.GATEWAY,
    "Jobs of the whole cluster that are not finished, as each gateway finds them in the database every 15 s.",
    labels=("kind", "state"),
    combine="livemax",
    at_start=False,
    example="max by (kind, state) (ossature_jobs)",
)
JOB_WAIT = Metric(
    "ossature_job_waiting_seconds",
    Kind.GAUGE,
    Source.GATEWAY,
    "How long a job of the whole cluster has waited for a worker, the longest: since it might have run, or since its worker was "
    "last heard of. Beyond what the limits per organization explain, workers are missing.",
    labels=("kind",),
    unit="seconds",
    combine="livemax",
    at_start=False,
    example="max by (kind) (ossature_job_waiting_seconds) > 3600",
)
JOB_RUNS = Metric(
    "ossature_job_run_duration_seconds",
    Kind.HISTOGRAM,
    Source.JOBS,
    "How long runs of jobs took, by how they ended. `retried`: in an unexpected error; `released`: given back, as its worker shut "
    "down; `lost`: without word, as another worker had the job or the database was away.",
    labels=("kind", "outcome"),
    unit="seconds",
    buckets=JOB_BUCKETS,
    example='sum by (kind) (increase(ossature_job_run_duration_seconds_count{outcome=~"retried|failed"}[1h]))',
)
JOB_TAKEOVERS = Metric(
    "ossature_job_leases_taken_over_total",
    Kind.COUNTER,
    Source.JOBS,
    "Jobs that another worker went on with because theirs was lost.",
    labels=("kind",),
    example="sum by (kind) (increase(ossature_job_leases_taken_over_total[1h])) > 3",
)

ALL: tuple[Metric, ...] = (
    JOBS,
    JOB_WAIT,
    JOB_RUNS,
    JOB_TAKEOVERS,
)
