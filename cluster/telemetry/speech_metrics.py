"""Metrics of speech in HTTP requests; one object in a gateway process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, histogram


class SpeechMetrics:
    """Implements :class:`~cluster.spoken.speech.SpeechObserver`. Arguments named ``seconds`` are seconds."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._audio = Family(counter(catalog.voice.SPEECH_AUDIO, registry))
        self._first_audio = Family(histogram(catalog.voice.SPEECH_FIRST_AUDIO, registry))
        for surface, direction in sorted(labels.SPEECH_WAYS):
            self._audio(surface, direction)
        self._first_audio.create(labels.SPEAKING_SURFACES)

    def heard(self, surface: str, seconds: float) -> None:
        self._audio(labels.known(surface, labels.SPEECH_SURFACES), "received").inc(seconds)

    def spoke(self, surface: str, seconds: float) -> None:
        self._audio(labels.known(surface, labels.SPEECH_SURFACES), "sent").inc(seconds)

    def first_audio(self, surface: str, seconds: float) -> None:
        self._first_audio(labels.known(surface, labels.SPEAKING_SURFACES)).observe(seconds)
