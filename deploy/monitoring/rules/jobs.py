"""Alerts on jobs: those that nobody takes up, those that do not end, workers that are lost, runs that fail."""

from __future__ import annotations

from deploy.monitoring.rules.definition import Alert, Severity

_RUNS = "ossature_job_run_duration_seconds_count"

ALERTS: tuple[Alert, ...] = (
    Alert(
        "OssatureJobStuck",
        "max by (namespace, kind) (ossature_job_waiting_seconds) > 3600",
        "5m",
        Severity.WARNING,
        "A job of kind {{ $labels.kind }} waits and is not taken up.",
        "For {{ $value | humanizeDuration }}, since it might have run or its worker was last heard of. Workers are missing, or "
        "limits of its organization keep it back.",
        "ossature-jobs",
    ),
    Alert(
        "OssatureJobNotEnding",
        'max by (namespace, kind, state) (min_over_time(ossature_jobs{state=~"cancelling|pausing"}[30m])) > 0',
        "5m",
        Severity.WARNING,
        "Jobs of kind {{ $labels.kind }} stay in the state {{ $labels.state }}.",
        "There has been one at any time for half an hour: a worker does not hear, or a step of theirs never comes to its end.",
        "ossature-jobs",
    ),
    Alert(
        "OssatureJobWorkersLost",
        # Four or more: Prometheus' estimate of three may be a little above 3.
        "sum by (namespace, kind) (increase(ossature_job_leases_taken_over_total[1h])) > 3.5",
        "0m",
        Severity.WARNING,
        "Workers of jobs of kind {{ $labels.kind }} are lost again and again.",
        '{{ $value | printf "%.0f" }} jobs in an hour were taken over from workers that were not heard of: out of memory, or '
        "cut off from the database.",
        "ossature-jobs",
    ),
    Alert(
        "OssatureJobsFailing",
        f'sum by (namespace, kind) (increase({_RUNS}{{outcome=~"failed|retried"}}[1h])) > 3.5 and '
        f'sum by (namespace, kind) (increase({_RUNS}{{outcome=~"failed|retried"}}[1h])) '
        f'/ sum by (namespace, kind) (increase({_RUNS}{{outcome!~"paused|released"}}[1h])) > 0.5',
        "10m",
        Severity.WARNING,
        "Most runs of jobs of kind {{ $labels.kind }} fail.",
        '{{ $value | printf "%.0f" }} in an hour. Their errors are in the jobs themselves and in the logs of their workers.',
        "ossature-jobs",
    ),
)
