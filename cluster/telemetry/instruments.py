"""prometheus_client's instruments, made from the catalog, with their label sets resolved once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from cluster.telemetry.definition import Metric

InstrumentT = TypeVar("InstrumentT", bound=MetricWrapperBase)


class Family(Generic[InstrumentT]):
    """A metric with labels. Calling it gives the instrument of one label set, which is made once and then looked up."""

    def __init__(self, parent: InstrumentT) -> None:
        self._parent = parent
        self._children: dict[tuple[str, ...], InstrumentT] = {}

    def __call__(self, *values: str) -> InstrumentT:
        """``values`` in the order of the catalog's labels. They must be bounded already."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._parent.labels(*values)
        return child

    def create(self, *values: Iterable[str]) -> None:
        """Make every combination of these label values exist, at 0."""
        for combination in itertools.product(*values):
            self(*combination)


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry, multiprocess_mode=metric.combine)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets)
