"""The deployment: its handlers are made from the tools it has, and its jobs are given back when it shuts down."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray import serve

from cluster.config.schema import ClusterConfig
from cluster.config.settings.telemetry import LoggingSettings
from cluster.edges.inside import Inside
from cluster.job_handlers import HandlerFactory, JobTools
from cluster.jobs.context import JobContext
from cluster.jobs.handler import JobHandler
from cluster.jobs.model import JobState
from cluster.runtime import served_jobs
from cluster.runtime.served_jobs import ServedJobs
from cluster.store.database import Database
from cluster.telemetry import logs
from tests.unit.jobs.bench import ACME, SETTINGS, Bench, Counts, Handler


class FakeInside:
    """As much of an inside as there is without engines."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.closed = False
        self.logs_of: tuple[str, str | None] | None = None

    def configured(self, settings: LoggingSettings, component: str, *, replica: str | None = None) -> None:
        self.logs_of = (component, replica)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def inside(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> FakeInside:
    made = FakeInside(bench.database)
    # The deployment goes by the time of day.
    bench.clock.time_s = time.time()

    async def opened(*_: object) -> Inside:
        return cast(Inside, made)

    monkeypatch.setattr(Inside, "opened", opened)
    monkeypatch.setattr(logs, "configure", made.configured)
    monkeypatch.setattr(serve, "get_replica_context", lambda: SimpleNamespace(replica_id=SimpleNamespace(unique_id="r-1")))
    monkeypatch.setattr(served_jobs, "JobRunMetrics", lambda kinds: Counts())
    return made


async def served(tmp_path: Path, factories: Mapping[str, HandlerFactory]) -> ServedJobs:
    settings = SETTINGS.model_dump()
    config = ClusterConfig.model_validate(
        {"secret": "s" * 32, "data_dir": tmp_path, "models": [{"id": "m", "source": "s"}], "jobs": settings}
    )
    replica = ServedJobs.__new__(ServedJobs)
    await cast(Any, replica).__init__(config, {}, "127.0.0.1", factories)
    return replica


async def test_a_handler_may_create_further_jobs_and_they_are_run(bench: Bench, inside: FakeInside, tmp_path: Path) -> None:
    def parent(tools: JobTools) -> JobHandler:
        async def work(context: JobContext) -> dict[str, Any]:
            child = await tools.jobs.create(context.principal, "child", {"of": context.job.id})
            return {"child": child.id}

        return Handler(work, "parent")

    def child(tools: JobTools) -> JobHandler:
        async def work(context: JobContext) -> dict[str, Any]:
            return {"parent": context.job.spec["of"]}

        return Handler(work, "child")

    job = await bench.jobs.create(ACME, "parent", {})
    replica = await served(tmp_path, {"parent": parent, "child": child})
    done = await bench.until(job, JobState.SUCCEEDED)
    assert done.result is not None
    made = await bench.jobs.get(ACME, done.result["child"])
    assert (await bench.until(made, JobState.SUCCEEDED)).result == {"parent": job.id}
    await replica.check_health()
    await replica.__del__()
    assert inside.closed
    assert inside.logs_of == ("jobs", "r-1")


async def test_jobs_that_run_are_given_back_when_the_replica_ends(bench: Bench, inside: FakeInside, tmp_path: Path) -> None:
    async def wait(context: JobContext) -> dict[str, Any]:
        await context.stopping.wait()
        await context.check()
        return {}

    job = await bench.jobs.create(ACME, "sum", {})
    replica = await served(tmp_path, {"sum": lambda tools: Handler(wait)})
    await bench.until(job, JobState.RUNNING)
    await replica.__del__()
    assert await bench.state(job) is JobState.QUEUED


async def test_a_handler_that_is_registered_under_another_kind_is_refused(inside: FakeInside, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="registered"):
        await served(tmp_path, {"eval": lambda tools: Handler(lambda context: None)})  # type: ignore[arg-type, return-value]
