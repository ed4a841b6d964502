from __future__ import annotations

from prometheus_client import CollectorRegistry

from cluster.realtime.session.actions import Occurrence, Stage
from cluster.telemetry import labels
from cluster.telemetry.realtime_metrics import RealtimeMetrics


def test_sessions_turns_and_latencies_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = RealtimeMetrics(registry=registry)
    metrics.session_started("realtime")
    metrics.session_started("realtime")
    metrics.session_ended("realtime", 12.0)
    metrics.occurred(Occurrence.INTERRUPTION)
    metrics.stage_timed(Stage.TOTAL, 0.25)
    metrics.frame_late()
    value = registry.get_sample_value
    assert value("ossature_realtime_sessions", {"kind": "realtime"}) == 1
    assert value("ossature_realtime_session_duration_seconds_sum", {"kind": "realtime"}) == 12
    assert value("ossature_realtime_events_total", {"event": "interruption"}) == 1
    assert value("ossature_realtime_latency_seconds_bucket", {"stage": "total", "le": "0.3"}) == 1
    assert value("ossature_realtime_late_frames_total") == 1


def test_labels_are_those_that_sessions_use() -> None:
    assert {stage.value for stage in Stage} == labels.REALTIME_STAGES
    assert {what.value for what in Occurrence} == labels.REALTIME_EVENTS
