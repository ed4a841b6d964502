"""Metrics of a speech replica; one object in its process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, histogram


class SpeechReplicaMetrics:
    """Implements :class:`~cluster.speech.deployment.SpeechObserver`."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._factor = Family(histogram(catalog.voice.SPEECH_REAL_TIME_FACTOR, registry))
        self._factor.create(labels.SPEECH_WORK)

    def recognized(self, audio_s: float, work_s: float) -> None:
        self._factor("recognition").observe(work_s / audio_s)

    def spoken(self, audio_s: float, work_s: float) -> None:
        self._factor("synthesis").observe(work_s / audio_s)
