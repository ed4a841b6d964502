from __future__ import annotations

from prometheus_client import CollectorRegistry

from cluster.telemetry import labels
from cluster.telemetry.storage_metrics import StorageMetrics


def test_what_is_kept_and_deleted_is_counted() -> None:
    registry = CollectorRegistry()
    metrics = StorageMetrics(registry=registry)
    metrics.completion_stored(labels.STORED, 0.002)
    metrics.completion_stored(labels.STORE_QUOTA, 0.0)
    metrics.completions_purged(3)
    metrics.file_received(10)
    metrics.file_sent(4)
    metrics.files_swept("orphan", 2)
    value = registry.get_sample_value
    assert value("ossature_stored_completions_total", {"outcome": "stored"}) == 1
    assert value("ossature_stored_completions_total", {"outcome": "quota_exceeded"}) == 1
    assert value("ossature_stored_completions_total", {"outcome": "unavailable"}) == 0
    assert value("ossature_stored_completion_wait_duration_seconds_bucket", {"le": "0.0025"}) == 2
    assert value("ossature_stored_completions_purged_total") == 3
    assert value("ossature_file_bytes_total", {"direction": "received"}) == 10
    assert value("ossature_file_bytes_total", {"direction": "sent"}) == 4
    assert value("ossature_files_swept_total", {"reason": "orphan"}) == 2
