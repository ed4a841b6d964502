"""Stored completions and files."""

from __future__ import annotations

from cluster.telemetry.catalog.buckets import LEDGER_BUCKETS
from cluster.telemetry.definition import Kind, Metric, Source

STORED_COMPLETIONS = Metric(
    "ossature_stored_completions_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Answers that were to be stored (`store: true`), by what became of it. All but `stored` were told to their clients.",
    labels=("outcome",),
    example='sum by (outcome) (rate(ossature_stored_completions_total{outcome!="stored"}[5m])) > 0',
)
STORE_WAIT = Metric(
    "ossature_stored_completion_wait_duration_seconds",
    Kind.HISTOGRAM,
    Source.GATEWAY,
    "Time that the end of an answer waited for its copy to be on disk, beyond its row of the usage ledger.",
    unit="seconds",
    buckets=LEDGER_BUCKETS,
    example="histogram_quantile(0.99, sum by (le) (rate(ossature_stored_completion_wait_duration_seconds_bucket[5m])))",
)
STORED_PURGED = Metric(
    "ossature_stored_completions_purged_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Stored completions that were deleted because they were past their retention.",
    example="rate(ossature_stored_completions_purged_total[1h])",
)
FILE_BYTES = Metric(
    "ossature_file_bytes_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Bytes of files that clients uploaded (`received`, whole files only) and read (`sent`).",
    labels=("direction",),
    unit="bytes",
    example="sum by (direction) (rate(ossature_file_bytes_total[5m]))",
)
FILES_SWEPT = Metric(
    "ossature_files_swept_total",
    Kind.COUNTER,
    Source.GATEWAY,
    "Files deleted because they had expired, and contents because no file belongs to them: remains of broken-off uploads and "
    "deletions.",
    labels=("reason",),
    example="sum by (reason) (increase(ossature_files_swept_total[1d]))",
)

ALL: tuple[Metric, ...] = (
    STORED_COMPLETIONS,
    STORE_WAIT,
    STORED_PURGED,
    FILE_BYTES,
    FILES_SWEPT,
)
