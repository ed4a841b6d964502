"""One run of one job: keeps its lease, lets its handler work, and ends it as the handler did."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from cluster.config.settings.jobs import JobsSettings
from cluster.errors import StoreUnavailable
from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed, JobStopped, LeaseLost, StopReason
from cluster.jobs.handler import JobHandler
from cluster.jobs.leases import JobLeases, Lease
from cluster.jobs.model import MAX_OUTPUT_BYTES, JobError, JobState
from cluster.jobs.rows import encoded
from cluster.jobs.wake import Wake, wait
from cluster.telemetry import logs
from cluster.telemetry.tracing.span import UNTRACED, Kind, Tracer

logger = logging.getLogger(__name__)

RETRIED = "retried"
RELEASED = "released"
LOST = "lost"
"""How a run ends whose lease was taken, or whose end can't be written: not at all, for this worker."""
_FAILURES = frozenset({JobState.FAILED.value, RETRIED, LOST})


class RunMetrics(Protocol):
    """Told of each run."""

    def job_taken_over(self, kind: str) -> None:
        """A job was leased whose worker was lost."""
        ...

    def job_run_ended(self, kind: str, outcome: str, duration_s: float) -> None:
        """``outcome``: the state that finished or paused the job, ``retried``, ``released`` or ``lost``."""
        ...


class JobRun:
    def __init__(
        self,
        context: JobContext,
        handler: JobHandler,
        lease: Lease,
        leases: JobLeases,
        settings: JobsSettings,
        metrics: RunMetrics,
        wake: Wake,
        monotonic: Callable[[], float] = time.monotonic,
        tracer: Tracer = UNTRACED,
    ) -> None:
        """``tracer``: for a span of the run. What it asks models is traced by itself, with the job's id: it may be thousands."""
        self.context = context
        self._handler = handler
        self._lease = lease
        self._leases = leases
        self._settings = settings
        self._metrics = metrics
        self._wake = wake
        self._monotonic = monotonic
        self._tracer = tracer
        self._kept_until = monotonic() + settings.lease_s

    async def run(self) -> None:
        """Return when the job is no longer this worker's."""
        with logs.bound(org_id=self._lease.job.organization_id):
            await self._run()

    async def _run(self) -> None:
        job, began = self._lease.job, self._monotonic()
        if self._lease.taken_over:
            self._metrics.job_taken_over(job.kind)
        span = self._tracer.begin(f"job {job.kind}", Kind.CONSUMER)
        self._wake.changed(job.id)
        work = asyncio.create_task(self._handler.run(self.context), name=f"job {job.id}")
        keeping = asyncio.create_task(self._keep_lease(), name=f"lease of {job.id}")
        stopping = asyncio.create_task(self._break_off(work), name=f"stop of {job.id}")
        outcome: str = LOST
        try:
            await asyncio.wait([work])
        finally:
            stopping.cancel()
            if not work.done():
                # The worker's own task was cancelled: there is no grace, but the handler ends what it has started.
                self.context.stop(StopReason.DRAIN)
                work.cancel()
                await asyncio.wait([work])
            try:
                outcome = await self._end(work)
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, stopping, return_exceptions=True)
                self._wake.changed(job.id)
                self._metrics.job_run_ended(job.kind, outcome, self._monotonic() - began)
                span.set(
                    {
                        "ossature.job.id": job.id,
                        "ossature.job.kind": job.kind,
                        "ossature.job.run": job.attempts,
                        "ossature.job.taken_over": self._lease.taken_over,
                        "ossature.job.outcome": outcome,
                        "ossature.org_id": job.organization_id,
                        "ossature.project_id": job.project_id,
                    }
                )
                if outcome in _FAILURES:
                    span.failed(outcome)
                span.end()
                logger.info("run %d of job %s (%s) ended: %s", job.attempts, job.id, job.kind, outcome)

    async def _end(self, work: asyncio.Task[dict[str, Any]]) -> str:
        """Write how the handler ended, for as long as the job is this worker's."""
        job = self._lease.job
        write, if_queued = self._ending(work)
        while not self.context.lost.is_set():
            try:
                state = await write()
                return if_queued if state is JobState.QUEUED else state.value
            except LeaseLost:
                break
            except StoreUnavailable as error:
                # If it stays so the lease runs out, and another run finds all steps that were recorded.
                logger.warning("job %s: its end can't be written yet: %s", job.id, error.message)
                await wait(self.context.lost, self._settings.heartbeat_s)
        return LOST

    def _ending(self, work: asyncio.Task[dict[str, Any]]) -> tuple[Callable[[], Awaitable[JobState]], str]:
        """What is to be written, and how the run's end is called if that leaves the job in the queue."""
        job, leases, lease = self._lease.job, self._leases, self._lease
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            try:
                result = encoded(work.result(), MAX_OUTPUT_BYTES, "the result")
            except (TypeError, ValueError) as defect:
                error = defect
            else:
                return lambda: leases.succeed(lease, result), RELEASED
        if isinstance(error, JobFailed):
            failure = JobError(error.code, error.message, error.param)
            return lambda: leases.fail(lease, failure), RELEASED
        if self.context.stopping.is_set() and isinstance(error, JobStopped | asyncio.CancelledError):
            return lambda: leases.release(lease), RELEASED
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise error
        if self.context.stop_reason is StopReason.DRAIN:
            # What it works with shuts down beside it: that is not the job's fault.
            logger.warning("job %s was given back after an error while its worker was closing", job.id, exc_info=error)
            return lambda: leases.release(lease), RELEASED
        logger.error("job %s (%s) ended unexpectedly in its run %d", job.id, job.kind, job.attempts, exc_info=error)
        return lambda: leases.retry(lease), RETRIED

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            asked = self._monotonic()
            try:
                self.context.seen(await self._leases.heartbeat(self._lease))
            except LeaseLost:
                self.context.stop(StopReason.LEASE_LOST)
                return
            except StoreUnavailable as error:
                logger.warning("job %s: its lease could not be renewed: %s", self._lease.job.id, error.message)
            except Exception:
                # A defect; the next heartbeat must have its chance.
                logger.exception("job %s: its lease could not be renewed", self._lease.job.id)
            else:
                self._kept_until = asked + self._settings.lease_s
            if self._monotonic() >= self._kept_until:
                # Another worker may have it by now. It writes under a number of its own; ours must not go on beside it.
                self.context.stop(StopReason.LEASE_LOST)
                return

    async def _break_off(self, work: asyncio.Task[dict[str, Any]]) -> None:
        """Cancel its task when it is to stop and does not within its grace, or must not go on."""
        await self.context.stopping.wait()
        await wait(self.context.lost, self._settings.stop_grace_s)
        work.cancel()
