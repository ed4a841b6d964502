"""The worker of jobs dies in the middle of one."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from bench.fakes.profile import Profile
from tests.chaos.cluster import MODEL, ChaosCluster, until
from tests.chaos.figures import Figures, measured

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

ITEMS = 60
ITEM_US = 4_000_000
WORKER = "ray::ServeReplica:ossature:jobs"
TAKEN_OVER_WITHIN_S = 120.0
"""The lease (30 s), the new worker's start and its first look for jobs."""
REPLACED_WITHIN_S = 120.0
LAST_WRITES_S = 2.0
"""What was on its way to the database has arrived by then."""
FINISHED = {"completed", "failed", "canceled"}


def test_kill_jobs(cluster: ChaosCluster) -> None:
    """Another worker goes on with the run where its last step ended; every item is in the report, and none twice."""
    figures = Figures(
        "jobs",
        "kill -9 of the worker of jobs, with an eval run going on",
        "`ossature_job_leases_taken_over_total` +1; OssatureJobWorkersLost from the fourth in an hour",
    )
    (victim,) = cluster.pids(WORKER)
    with httpx.Client(
        base_url=cluster.http, headers={"Authorization": f"Bearer {cluster.api_key}"}, timeout=30, trust_env=False
    ) as client:
        taken_over = cluster.metric("ossature_job_leases_taken_over_total")
        with measured(cluster, figures) as fault:
            run = started(client)
            until(lambda: done(client, run) >= ITEMS // 8, 120, "the run does not get on")
            fault.now()
            cluster.kill(victim)
            time.sleep(LAST_WRITES_S)
            before = done(client, run)
            assert before < ITEMS, "the run was over before the fault"
            until(lambda: done(client, run) > before, TAKEN_OVER_WITHIN_S, "nobody went on with the run")
            figures.extra["run_goes_on_s"] = round(fault.since_s(), 1)
            fault.until_whole(lambda: cluster.replaced([victim], WORKER), REPLACED_WITHIN_S)
            until(lambda: described(client, run)["status"] in FINISHED, 180, "the run did not end")
        assert described(client, run)["status"] == "completed"
        items = output_items(client, run)
    figures.write()
    numbers = sorted(item["datasource_item_id"] for item in items)
    assert len(numbers) == ITEMS
    assert len(set(numbers)) == ITEMS, "an item is in the report twice"
    assert (figures.lost, figures.cut_said, figures.cut_silent) == (0, 0, 0)
    assert cluster.metric("ossature_job_leases_taken_over_total") > taken_over


def started(client: httpx.Client) -> str:
    """The path of an eval run that takes some seconds."""
    spec = {
        "name": f"chaos {time.time()}",
        "data_source_config": {
            "type": "custom",
            "item_schema": {"type": "object", "properties": {"number": {"type": "integer"}}},
            "include_sample_schema": True,
        },
        "testing_criteria": [
            {"type": "string_check", "name": "any", "input": "{{sample.output_text}}", "reference": "x", "operation": "ne"}
        ],
    }
    made = client.post("/v1/evals", json=spec)
    assert made.status_code == 201, made.text
    path = f"/v1/evals/{made.json()['id']}/runs"
    slow = Profile(ttft_us=ITEM_US, tokens=4).text  # it does not stream: the wait is all before the first token
    source = {
        "type": "completions",
        "model": MODEL,
        "input_messages": {"type": "template", "template": [{"role": "user", "content": f"Item {{{{item.number}}}} {slow}"}]},
        "source": {"type": "file_content", "content": [{"item": {"number": number}} for number in range(ITEMS)]},
    }
    run = client.post(path, json={"name": "chaos", "data_source": source})
    assert run.status_code == 201, run.text
    return f"{path}/{run.json()['id']}"


def described(client: httpx.Client, run: str) -> dict[str, Any]:
    return dict(client.get(run).raise_for_status().json())


def done(client: httpx.Client, run: str) -> int:
    """Items that have been graded."""
    counts = described(client, run)["result_counts"]
    return int(counts["passed"] + counts["failed"] + counts["errored"])


def output_items(client: httpx.Client, run: str) -> list[dict[str, Any]]:
    page = client.get(f"{run}/output_items", params={"limit": 100}).raise_for_status().json()
    assert not page["has_more"]
    return list(page["data"])
