"""Each run of a job is a span of its own."""

from __future__ import annotations

from typing import Any

from cluster.jobs.context import JobContext
from cluster.jobs.errors import JobFailed
from cluster.jobs.worker import JobWorker
from tests.spans import RecordingTracer, attributes
from tests.unit.jobs.bench import ACME, Bench, Handler


async def test_a_run_of_a_job_is_a_span_that_says_how_it_ended(bench: Bench) -> None:
    async def add(context: JobContext) -> dict[str, Any]:
        if "marked" in context.job.spec:
            raise JobFailed("invalid_file", "Line 3 is marked.")
        return {"sum": 3}

    tracer = RecordingTracer()
    worker = JobWorker([Handler(add)], bench.database, bench.settings, bench.counts, bench.wake, bench.clock, tracer)
    job = await bench.jobs.create(ACME, "sum", {})
    await worker.run_one()
    await bench.jobs.create(ACME, "sum", {"marked": "marked"})
    await worker.run_one()
    done, failed = tracer.spans
    assert done.name == "job sum"
    assert attributes(done) == {
        "ossature.job.id": job.id,
        "ossature.job.kind": "sum",
        "ossature.job.run": 1,
        "ossature.job.taken_over": False,
        "ossature.job.outcome": "succeeded",
        "ossature.org_id": ACME.org_id,
        "ossature.project_id": ACME.project_id,
    }
    assert attributes(failed)["error.type"] == "failed"
    assert not failed.status.is_ok
    assert "marked" not in failed.to_json()
