"""Every metric of ours, as a table. The instruments, ``docs/metrics.md`` and the checks of a live scrape are made from it.

Names follow Prometheus' conventions: prefix ``ossature_``, base units (seconds, bytes), ``_total`` on counters. Label values come
from closed sets (configured models, known edges, codes of ``cluster.errors``) or are bounded in number (organizations).
"""

from __future__ import annotations

from cluster.telemetry.catalog import engines, jobs, nodes, relay, requests, routing, storage, voice
from cluster.telemetry.definition import Metric

ALL: tuple[Metric, ...] = (
    *requests.ALL,
    *routing.ALL,
    *engines.ALL,
    *relay.ALL,
    *voice.ALL,
    *storage.ALL,
    *jobs.ALL,
    *nodes.ALL,
)

__all__ = ["ALL", "engines", "jobs", "nodes", "relay", "requests", "routing", "storage", "voice"]
