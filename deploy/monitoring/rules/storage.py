"""Alerts on what is kept: disks, the usage ledger, stored completions."""

from __future__ import annotations

from deploy.monitoring.rules.definition import Alert, Severity

_FREE = "ossature_data_folder_free_bytes / ossature_data_folder_size_bytes"
_LOST = 'ossature_stored_completions_total{outcome=~"overloaded|timeout|unavailable"}'

ALERTS: tuple[Alert, ...] = (
    Alert(
        "OssatureDiskAlmostFull",
        f"{_FREE} < 0.05",
        "5m",
        Severity.CRITICAL,
        "The disk of {{ $labels.instance }} is full but for {{ $value | humanizePercentage }}.",
        "When it is full, rows of the ledger, stored completions and files can't be written, and requests that need them fail.",
        "ossature-overview",
    ),
    Alert(
        "OssatureDiskFilling",
        f"{_FREE} < 0.3 and predict_linear(ossature_data_folder_free_bytes[6h], 86400) < 0",
        "30m",
        Severity.WARNING,
        "The disk of {{ $labels.instance }} will be full within a day.",
        "{{ $value | humanizePercentage }} are free, six hours have gone on like that. Shorten retention, delete files, add space.",
        "ossature-overview",
    ),
    Alert(
        "OssatureCapturesFailing",
        f"sum by (namespace) (rate({_LOST}[10m])) / sum by (namespace) (rate(ossature_stored_completions_total[10m])) > 0.01",
        "10m",
        Severity.WARNING,
        "Completions that were to be stored are not.",
        "{{ $value | humanizePercentage }} of them; their clients were told. The database is slow or away.",
        "ossature-overview",
    ),
    Alert(
        "OssatureLedgerSlow",
        "histogram_quantile(0.99, sum by (namespace, le) (rate(ossature_ledger_write_duration_seconds_bucket[10m]))) > 1",
        "10m",
        Severity.WARNING,
        "Writing the usage ledger takes long.",
        "{{ $value | humanizeDuration }} for one row in a hundred, which the ends of answers wait for. Look at the database.",
        "ossature-overview",
    ),
)
