from __future__ import annotations

from prometheus_client import CollectorRegistry

from cluster.telemetry.speech_replica_metrics import SpeechReplicaMetrics


def test_work_is_counted_by_the_second_of_audio() -> None:
    registry = CollectorRegistry()
    metrics = SpeechReplicaMetrics(registry=registry)
    metrics.recognized(audio_s=4.0, work_s=1.0)
    metrics.spoken(audio_s=2.0, work_s=0.5)
    metrics.spoken(audio_s=2.0, work_s=4.0)
    name = "ossature_speech_real_time_factor"
    assert registry.get_sample_value(f"{name}_sum", {"work": "recognition"}) == 0.25
    assert registry.get_sample_value(f"{name}_bucket", {"work": "synthesis", "le": "0.3"}) == 1
    assert registry.get_sample_value(f"{name}_bucket", {"work": "synthesis", "le": "2.5"}) == 2
