"""Jobs: what waits, what runs, how runs end, and what they ask of the engines."""

from __future__ import annotations

from deploy.monitoring.panels import Board, Color, Panel, Query, Row, Step, Unit, number, quantiles, rates, worse_above

_JOBS = "a job: there are series from the first one on"
_OURS = 'edge="jobs"'
_ENDED_BADLY = 'outcome=~"failed|lost|retried"'
_RUNS = "ossature_job_run_duration_seconds"

NOW = Row(
    "Now",
    (
        number(
            "Running",
            "On a worker.",
            'sum(max by (namespace, kind) (ossature_jobs{state="running"}))',
            Unit.NUMBER,
            width=6,
            needs=_JOBS,
        ),
        number(
            "Queued",
            "Waiting for a worker.",
            'sum(max by (namespace, kind) (ossature_jobs{state="queued"}))',
            Unit.NUMBER,
            width=6,
            needs=_JOBS,
        ),
        number(
            "Longest wait",
            "Of a job that might run, or whose worker was not heard of.",
            "max(ossature_job_waiting_seconds)",
            Unit.SECONDS,
            steps=worse_above(1800, 3600),
            width=6,
            needs=_JOBS,
        ),
        number(
            "Runs that ended badly",
            "In the last hour: failed, to be tried again, or without word of their worker.",
            f"sum(increase({_RUNS}_count{{{_ENDED_BADLY}}}[1h]))",
            Unit.NUMBER,
            steps=(Step(1, Color.NOTICE), Step(5, Color.BAD)),
            width=6,
            needs=_JOBS,
        ),
    ),
)

QUEUE = Row(
    "Queue",
    (
        Panel(
            "Jobs by state",
            "Those that are not finished. `cancelling` or `pausing` for long: a worker that does not hear.",
            (Query("sum by (state) (max by (namespace, kind, state) (ossature_jobs))", "{{state}}"),),
            Unit.NUMBER,
            stacked=True,
            needs=_JOBS,
        ),
        Panel(
            "Jobs by kind",
            "Those that are not finished.",
            (Query("sum by (kind) (max by (namespace, kind, state) (ossature_jobs))", "{{kind}}"),),
            Unit.NUMBER,
            stacked=True,
            needs=_JOBS,
        ),
        Panel(
            "Longest wait by kind",
            "Beyond what limits of organizations explain, workers are missing.",
            (Query("max by (kind) (ossature_job_waiting_seconds)", "{{kind}}"),),
            Unit.SECONDS,
            steps=worse_above(1800, 3600),
            needs=_JOBS,
        ),
    ),
)

RUNS = Row(
    "Runs",
    (
        Panel(
            "Ends by outcome",
            "`retried`: an unexpected error; `released`: given back by a worker that shut down; `lost`: without word.",
            (Query(f"sum by (outcome) (increase({_RUNS}_count[10m]))", "{{outcome}}"),),
            Unit.NUMBER,
            stacked=True,
            needs=_JOBS,
        ),
        Panel(
            "Length of runs by kind",
            "From a worker's taking a job to its end or its return to the queue.",
            quantiles(_RUNS, 0.5, 0.95, by=("kind",)),
            Unit.SECONDS,
            needs=_JOBS,
        ),
        Panel(
            "Taken over",
            "Jobs that another worker went on with, in ten minutes, because theirs was lost.",
            (Query("sum by (kind) (increase(ossature_job_leases_taken_over_total[10m]))", "{{kind}}"),),
            Unit.NUMBER,
            steps=worse_above(1, 3),
            needs=_JOBS,
        ),
    ),
)

LOAD = Row(
    "What jobs ask of the engines",
    (
        Panel(
            "Requests by model",
            "That ended, each second.",
            (rates(f"ossature_requests_total{{{_OURS}}}", "model"),),
            Unit.REQUESTS_PER_S,
            needs=_JOBS,
        ),
        Panel(
            "Tokens",
            "Prompt and answer.",
            tuple(
                rates(f'ossature_tokens_total{{{_OURS},kind="{kind}"}}', legend=kind) for kind in ("prompt", "cached", "completion")
            ),
            Unit.TOKENS_PER_S,
            needs=_JOBS,
        ),
        Panel(
            "Beside users' requests",
            "Requests in flight of jobs and of everybody else: who fills the engines.",
            (
                Query(f"sum(ossature_requests_in_flight{{{_OURS}}})", "jobs"),
                Query('sum(ossature_requests_in_flight{edge!="jobs"})', "users"),
            ),
            Unit.NUMBER,
            stacked=True,
        ),
    ),
)

BOARD = Board(
    "ossature-jobs",
    "Ossature: jobs",
    "What waits and what runs, how runs end, and what jobs ask of the engines.",
    (NOW, QUEUE, RUNS, LOAD),
)
