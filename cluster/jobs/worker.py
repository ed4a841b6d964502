"""Leases jobs and runs them, several at a time, until it is closed."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable

from cluster.config.settings.jobs import JobsSettings
from cluster.errors import StoreUnavailable
from cluster.jobs.context import JobContext
from cluster.jobs.errors import StopReason
from cluster.jobs.handler import JobHandler
from cluster.jobs.leases import JobLeases, Lease
from cluster.jobs.model import is_kind
from cluster.jobs.run import JobRun, RunMetrics
from cluster.jobs.wake import Wake, wait
from cluster.store.database import Database
from cluster.telemetry.tracing.span import UNTRACED, Tracer

logger = logging.getLogger(__name__)


class JobWorker:
    """One a process. Other workers may be at the same database, with the same kinds or others."""

    def __init__(
        self,
        handlers: Iterable[JobHandler],
        database: Database,
        settings: JobsSettings,
        metrics: RunMetrics,
        wake: Wake | None = None,
        now: Callable[[], float] = time.time,
        tracer: Tracer = UNTRACED,
    ) -> None:
        """``wake``: shared with the :class:`~cluster.jobs.service.Jobs` of this process, if it has one.

        Raises ``ValueError`` for two handlers of one kind.
        """
        self._handlers: dict[str, JobHandler] = {}
        for handler in handlers:
            if not is_kind(handler.kind) or handler.kind in self._handlers:
                raise ValueError(f"not a kind of jobs, or it has a handler already: {handler.kind!r}")
            self._handlers[handler.kind] = handler
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._wake = wake if wake is not None else Wake()
        self._now = now
        self._tracer = tracer
        self._leases = JobLeases(database, settings, f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[-200:], now)
        self._runs: dict[asyncio.Task[None], JobRun] = {}
        self._open = False
        self._looking: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """Jobs that this worker has now."""
        return len(self._runs)

    def start(self) -> None:
        self._open = True
        self._looking = asyncio.create_task(self._look_for_jobs(), name="job-worker")

    def check(self) -> None:
        """Raises ``RuntimeError`` if it has been started and looks for no jobs any more, through a defect."""
        if self._open and (self._looking is None or self._looking.done()):
            raise RuntimeError("the worker looks for no jobs any more")

    async def close(self) -> None:
        """Take no more jobs, let those there are leave off within their grace, give their leases back, end. Idempotent."""
        self._open = False
        self._wake.waiting()
        if self._looking is not None:
            # Not cancelled: a lease that is just being taken would be nobody's until it runs out.
            await asyncio.gather(self._looking, return_exceptions=True)
        for run in self._runs.values():
            run.context.stop(StopReason.DRAIN)
        if self._runs:
            await asyncio.gather(*self._runs, return_exceptions=True)

    async def run_one(self) -> bool:
        """Lease one job and run it to the end of this run; whether there was one. Beside :meth:`start`, for tools and tests."""
        await self._leases.end_abandoned()
        lease = await self._leases.lease(self._handlers)
        if lease is None:
            return False
        await self._run_of(lease).run()
        return True

    async def _look_for_jobs(self) -> None:
        while self._open:
            ticket = self._wake.ticket()
            try:
                await self._leases.end_abandoned()
                while self._open and len(self._runs) < self._settings.max_running:
                    lease = await self._leases.lease(self._handlers)
                    if lease is None:
                        break
                    self._begin(lease)
            except StoreUnavailable as error:
                logger.warning("no jobs can be leased: %s", error.message)
            except Exception:
                # A defect; the next look must have its chance.
                logger.exception("looking for jobs failed")
            if self._open:
                await wait(ticket, self._settings.poll_interval_s)

    def _begin(self, lease: Lease) -> None:
        run = self._run_of(lease)
        task = asyncio.create_task(run.run(), name=f"run of {lease.job.id}")
        self._runs[task] = run
        task.add_done_callback(self._ended)

    def _run_of(self, lease: Lease) -> JobRun:
        context = JobContext(lease, self._leases, self._database, self._wake, self._now)
        handler = self._handlers[lease.job.kind]
        return JobRun(context, handler, lease, self._leases, self._settings, self._metrics, self._wake, tracer=self._tracer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._runs[task]
        if not task.cancelled() and (defect := task.exception()) is not None:
            logger.error("a run ended without having told how", exc_info=defect)
        # There is room for another one.
        self._wake.waiting()
