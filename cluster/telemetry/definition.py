"""What is said of a metric, once, for its instrument and its documentation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Which process writes the metric."""

    GATEWAY = "gateway"
    ENGINE = "engine"
    SPEECH = "speech"
    JOBS = "jobs"
    EXPORTER = "exporter"


# How the gauges of a node's living processes become one: prometheus_client's ``multiprocess_mode``.
Combine = Literal["livesum", "livemax"]


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` is complete, as it is queried. ``at_start``: exists with value 0 before anything has happened."""

    name: str
    kind: Kind
    source: Source
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    combine: Combine = "livesum"
    at_start: bool = True
    example: str = ""
