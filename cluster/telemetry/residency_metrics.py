"""Metrics of what a replica knows of its engine's prefix cache."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry

from cluster.telemetry import catalog, labels, multiprocess
from cluster.telemetry.instruments import Family, counter, gauge


class ResidencyMetrics:
    """Implements :class:`~cluster.engine.residency.ResidencyObserver`."""

    def __init__(self, models: Iterable[str], *, registry: CollectorRegistry = REGISTRY) -> None:
        """``models``: ids of the models that this process serves."""
        multiprocess.install()
        self._models = frozenset(models)
        self._events = Family(counter(catalog.routing.KV_EVENTS, registry))
        self._feed = Family(counter(catalog.routing.KV_FEED, registry))
        self._blocks = Family(gauge(catalog.routing.KV_RESIDENT_BLOCKS, registry))
        self._hashes = Family(gauge(catalog.routing.KV_RESIDENT_HASHES, registry))

    def kv_events(self, model: str, kind: str, count: int) -> None:
        self._events(labels.known(model, self._models, labels.UNKNOWN), labels.known(kind, labels.KV_EVENTS)).inc(count)

    def kv_feed(self, model: str, outcome: str) -> None:
        self._feed(labels.known(model, self._models, labels.UNKNOWN), labels.known(outcome, labels.KV_FEED_OUTCOMES)).inc()

    def kv_resident(self, model: str, blocks: int, hashes: int) -> None:
        model = labels.known(model, self._models, labels.UNKNOWN)
        self._blocks(model).set(blocks)
        self._hashes(model).set(hashes)
