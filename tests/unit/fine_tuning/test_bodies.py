"""Every body of ``/v1/fine_tuning/jobs``, in every state of a job, against OpenAI's own description."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from cluster.tuning.trainer import TrainingFailed
from tests.openai_schema import SchemaOracle
from tests.unit.fine_tuning.conftest import Tuning, lines
from tests.unit.fine_tuning.samples import preference
from tests.unit.storage.served import ACME

ROOT = "/v1/fine_tuning/jobs"
DPO = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 2}}}


class Checked:
    """A client whose answers are held against the description."""

    def __init__(self, http: httpx.AsyncClient, oracle: SchemaOracle) -> None:
        self._http = http
        self._oracle = oracle

    async def job(self, verb: str, path: str, **body: Any) -> dict[str, Any]:
        return await self._asked("FineTuningJob", verb, path, body)

    async def lists(self, job_id: str) -> None:
        """Of jobs, events and checkpoints, whole and page by page."""
        for component, path in (
            ("ListPaginatedFineTuningJobsResponse", ""),
            ("ListFineTuningJobEventsResponse", f"/{job_id}/events"),
            ("ListFineTuningJobCheckpointsResponse", f"/{job_id}/checkpoints"),
        ):
            for limit in (1, 100):
                found = await self._asked(component, "GET", f"{path}?limit={limit}")
                assert len(found["data"]) <= limit

    async def _asked(self, component: str, verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self._http.request(verb, ROOT + path, **({"json": body} if body else {}))
        assert answer.status_code == 200, answer.text
        assert self._oracle.problems(component, answer.json()) == []
        found: dict[str, Any] = answer.json()
        return found


@pytest.mark.parametrize("method", ["supervised", "dpo"])
async def test_each_body_of_each_state(tuning: Tuning, oracle: SchemaOracle, method: str) -> None:
    examples = lines() if method == "supervised" else lines(*[preference()] * 10)
    training, validation = await tuning.upload(examples), await tuning.upload(examples)
    body: dict[str, Any] = {"model": "base", "training_file": training, "validation_file": validation, "suffix": "x", "seed": 3}
    body |= {"metadata": {"a": "b"}} | ({} if method == "supervised" else {"method": DPO})
    tuning.trainer.wait_at = 5
    async with tuning.served.http_client() as http:
        client = Checked(http, oracle)
        made = await client.job("POST", "", **body)
        assert (made["status"], made["seed"]) == ("validating_files", 3)
        await client.lists(made["id"])
        path = f"/{made['id']}"
        running = asyncio.create_task(tuning.worker().run_one())
        await tuning.trainer.waiting.wait()
        assert (await client.job("GET", path))["estimated_finish"] is not None
        await client.lists(made["id"])
        await client.job("POST", f"{path}/pause")
        await running
        assert (await client.job("GET", path))["paused"]
        await client.job("POST", f"{path}/resume")
        await tuning.worker().run_one()
        done = await client.job("GET", path)
        assert (done["status"], len(done["result_files"])) == ("succeeded", 1)
        await client.lists(made["id"])

        cancelled = await client.job("POST", "", **body)
        await client.job("POST", f"/{cancelled['id']}/cancel")
        assert (await client.job("GET", f"/{cancelled['id']}"))["status"] == "cancelled"
        await client.lists(cancelled["id"])

        tuning.trainer.refusal = TrainingFailed("training_diverged", "The loss is not finite.")
        failed = await client.job("POST", "", **body)
        await tuning.worker().run_one()
        error = (await client.job("GET", f"/{failed['id']}"))["error"]
        assert error == {"code": "training_diverged", "message": "The loss is not finite.", "param": None}
        await client.lists(failed["id"])


async def test_time_and_memory_are_told_before_the_training_begins(tuning: Tuning) -> None:
    training = await tuning.upload(lines())
    async with tuning.served.http_client() as http:
        job_id = (await http.post(ROOT, json={"model": "base", "training_file": training})).json()["id"]
        await tuning.worker().run_one()
    events = (await tuning.jobs.events(ACME, job_id, limit=500)).events
    messages = [event.message for event in events]
    [estimate] = [event for event in events if "seconds" in event.data]
    assert messages.index(estimate.message) < messages.index("The training has begun.")
    assert {"hyperparameters", "total_steps", "tokens", "seconds", "memory_bytes"} <= set(estimate.data)
