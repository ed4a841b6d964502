from __future__ import annotations

from prometheus_client import CollectorRegistry

from cluster.telemetry.job_metrics import JobCensusMetrics, JobRunMetrics


def test_runs_and_takeovers_are_counted_by_kind_from_zero() -> None:
    registry = CollectorRegistry()
    metrics = JobRunMetrics(["eval"], registry=registry)
    assert registry.get_sample_value("ossature_job_leases_taken_over_total", {"kind": "eval"}) == 0
    metrics.job_taken_over("eval")
    metrics.job_run_ended("eval", "retried", 2.5)
    assert registry.get_sample_value("ossature_job_leases_taken_over_total", {"kind": "eval"}) == 1
    ended = {"kind": "eval", "outcome": "retried"}
    assert registry.get_sample_value("ossature_job_run_duration_seconds_sum", ended) == 2.5


def test_a_kind_without_jobs_any_more_goes_back_to_zero() -> None:
    registry = CollectorRegistry()
    metrics = JobCensusMetrics(registry=registry)
    metrics.counted({("eval", "queued"): 3}, {"eval": 7.5})
    assert registry.get_sample_value("ossature_jobs", {"kind": "eval", "state": "queued"}) == 3
    assert registry.get_sample_value("ossature_jobs", {"kind": "eval", "state": "running"}) == 0
    assert registry.get_sample_value("ossature_job_waiting_seconds", {"kind": "eval"}) == 7.5
    metrics.counted({}, {})
    assert registry.get_sample_value("ossature_jobs", {"kind": "eval", "state": "queued"}) == 0
    assert registry.get_sample_value("ossature_job_waiting_seconds", {"kind": "eval"}) == 0
