from __future__ import annotations

from prometheus_client import CollectorRegistry

from cluster.telemetry.metrics import GatewayMetrics
from cluster.telemetry.speech_metrics import SpeechMetrics


def test_audio_is_counted_by_where_it_was_asked_for_and_its_direction() -> None:
    registry = CollectorRegistry()
    metrics = SpeechMetrics(registry=registry)
    metrics.heard("transcription", 4.0)
    metrics.heard("chat", 1.0)
    metrics.spoke("chat", 2.5)
    metrics.first_audio("chat", 0.04)
    value = registry.get_sample_value
    audio = "ossature_speech_audio_seconds_total"
    assert value(audio, {"surface": "transcription", "direction": "received"}) == 4
    assert value(audio, {"surface": "chat", "direction": "received"}) == 1
    assert value(audio, {"surface": "chat", "direction": "sent"}) == 2.5
    assert value(audio, {"surface": "speech", "direction": "sent"}) == 0
    assert value("ossature_speech_first_audio_seconds_bucket", {"surface": "chat", "le": "0.05"}) == 1


def test_speech_requests_are_counted_under_names_of_their_own() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(["m"], registry=registry)
    metrics.request_started("org_1", "speech-to-text", "http")
    metrics.request_finished("org_1", "speech-to-text", "http", "ok", duration_s=0.5)
    metrics.request_started("org_1", "somebody's own name", "http")
    labels = {"org": "org_1", "edge": "http", "code": "ok"}
    assert registry.get_sample_value("ossature_requests_total", {**labels, "model": "speech-to-text"}) == 1
    assert registry.get_sample_value("ossature_requests_in_flight", {"edge": "http", "model": "unknown"}) == 1
