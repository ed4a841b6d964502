"""The jobs replica inside Ray Serve: a worker beside the same inside as a gateway's, without its edges."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import ray.util
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.config.schema import ClusterConfig
from cluster.edges.inside import Inside
from cluster.job_handlers import HandlerFactory, JobTools
from cluster.jobs.purge import JobPurger
from cluster.jobs.service import Jobs
from cluster.jobs.wake import Wake
from cluster.jobs.worker import JobWorker
from cluster.telemetry import logs
from cluster.telemetry.job_metrics import JobRunMetrics
from cluster.telemetry.tracing.opening import open_tracer

logger = logging.getLogger(__name__)


class ServedJobs:
    """One replica of the ``jobs`` deployment. Nobody calls it: jobs come and go through the database."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self,
        config: ClusterConfig,
        engines: dict[str, DeploymentHandle],
        relay_host: str | None,
        factories: Mapping[str, HandlerFactory],
    ) -> None:
        """``relay_host``: as of a gateway."""
        replica_id = serve.get_replica_context().replica_id.unique_id
        logs.configure(config.logging, "jobs", replica=replica_id)
        self._tracer = await open_tracer(config.tracing, "jobs", replica_id)
        self._inside = await Inside.opened(config, engines, relay_host or ray.util.get_node_ip_address(), self._tracer)
        wake = Wake()
        database, settings = self._inside.database, config.jobs
        tools = JobTools(config, self._inside, Jobs(database, settings, wake))
        handlers = [factory(tools) for factory in factories.values()]
        if (kinds := {handler.kind for handler in handlers}) != set(factories):
            raise ValueError(f"handlers of {sorted(kinds)} are registered as {sorted(factories)}")
        self._purger = JobPurger(database, settings)
        self._worker = JobWorker(handlers, database, settings, JobRunMetrics(factories), wake, tracer=self._tracer)
        self._purger.start()
        self._worker.start()
        logger.info("jobs of these kinds are run: %s", ", ".join(sorted(factories)))

    async def check_health(self) -> None:
        """Raises ``RuntimeError`` when the worker looks for no jobs any more: Serve then starts another replica."""
        self._worker.check()

    async def __del__(self) -> None:
        # First, so that another worker can go on at once; what the runs still write goes through the inside.
        await asyncio.gather(self._worker.close(), self._purger.close())
        await self._inside.close()
        await self._tracer.close()
