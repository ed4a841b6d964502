"""Metrics of realtime sessions; one object in a gateway process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, gauge, histogram


class RealtimeMetrics:
    """Implements :class:`~cluster.realtime.driver.observer.SessionObserver`. Arguments named ``seconds`` are seconds."""

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        multiprocess.install()
        self._sessions = Family(gauge(catalog.voice.REALTIME_SESSIONS, registry))
        self._duration = Family(histogram(catalog.voice.REALTIME_SESSION_DURATION, registry))
        self._events = Family(counter(catalog.voice.REALTIME_EVENTS, registry))
        self._latency = Family(histogram(catalog.voice.REALTIME_LATENCY, registry))
        self._late_frames = counter(catalog.voice.REALTIME_LATE_FRAMES, registry)
        self._sessions.create(labels.SESSION_KINDS)
        self._duration.create(labels.SESSION_KINDS)
        self._events.create(labels.REALTIME_EVENTS)
        self._latency.create(labels.REALTIME_STAGES)

    def session_started(self, kind: str) -> None:
        self._sessions(labels.known(kind, labels.SESSION_KINDS)).inc()

    def session_ended(self, kind: str, seconds: float) -> None:
        kind = labels.known(kind, labels.SESSION_KINDS)
        self._sessions(kind).dec()
        self._duration(kind).observe(seconds)

    def occurred(self, what: str) -> None:
        self._events(labels.known(what, labels.REALTIME_EVENTS)).inc()

    def stage_timed(self, stage: str, seconds: float) -> None:
        self._latency(labels.known(stage, labels.REALTIME_STAGES)).observe(seconds)

    def frame_late(self) -> None:
        self._late_frames.inc()
