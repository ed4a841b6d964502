"""Counts the cluster's unfinished jobs, so that somebody is told when they wait for workers that do not come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from sqlalchemy import case, func, select

from cluster.jobs.model import LEASED, JobState
from cluster.store.database import Database
from cluster.store.periodic import Periodic
from cluster.store.tables import JobRow

INTERVAL_S = 15.0
"""About as often as Prometheus asks."""


class CensusMetrics(Protocol):
    def counted(self, jobs: Mapping[tuple[str, str], int], waiting_s: Mapping[str, float]) -> None: ...


class JobCensus:
    """One a gateway: also a cluster without any worker is to be told of."""

    def __init__(self, database: Database, metrics: CensusMetrics, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now
        self._periodic = Periodic("job-census", INTERVAL_S, self.count)

    def start(self) -> None:
        self._periodic.start()

    async def close(self) -> None:
        await self._periodic.close()

    async def count(self) -> None:
        """Raises :class:`~cluster.errors.StoreUnavailable`."""
        row = JobRow
        waits_since = case(
            (row.state == JobState.QUEUED, row.available_at),
            (row.state.in_(sorted(LEASED)), row.lease_expires_at),
        )
        query = select(row.kind, row.state, func.count(), func.min(waits_since)).where(row.finished_at.is_(None))
        async with self._database.session() as session:
            found = (await session.execute(query.group_by(row.kind, row.state))).all()
        now = self._now()
        jobs: Counter[tuple[str, str]] = Counter()
        waiting_s: dict[str, float] = {}
        for kind, state, count, since in found:
            jobs[kind, state] = count
            waited_s = now - since if since is not None else 0.0
            waiting_s[kind] = max(waiting_s.get(kind, 0.0), waited_s)
        self._metrics.counted(jobs, waiting_s)
