"""One of each thing that an organization can have, its jobs finished, and how its owner sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2
from cluster.files.model import Purpose
from tests.unit.eval_runs.bench import row
from tests.unit.kept.evals import a_run, an_eval
from tests.unit.kept.scene import AUTH, Scene


@dataclass(frozen=True)
class Things:
    completion_id: str
    training_file: str
    evals_file: str
    eval_id: str
    run_id: str
    output_item_id: str
    job_id: str
    event_id: str
    checkpoint_id: str
    model_id: str

    @property
    def addresses(self) -> list[str]:
        """Where all of it is described over HTTP."""
        run, job = f"/v1/evals/{self.eval_id}/runs/{self.run_id}", f"/v1/fine_tuning/jobs/{self.job_id}"
        return [
            f"/v1/chat/completions/{self.completion_id}",
            f"/v1/chat/completions/{self.completion_id}/messages",
            f"/v1/files/{self.training_file}",
            f"/v1/files/{self.training_file}/content",
            f"/v1/files/{self.evals_file}",
            f"/v1/evals/{self.eval_id}",
            f"/v1/evals/{self.eval_id}/runs",
            run,
            f"{run}/output_items",
            f"{run}/output_items/{self.output_item_id}",
            job,
            f"{job}/events",
            f"{job}/checkpoints",
            f"/v1/models/{self.model_id}",
        ]


async def things(scene: Scene) -> Things:
    """Acme's."""
    scene.trainer.epochs = scene.trainer.steps_per_epoch = 1
    completion_id = await scene.store(metadata={"task": "x"})
    training_file = await scene.training_file()
    evals_file = await scene.upload(json.dumps(row("a")).encode(), Purpose.EVALS)
    eval_id = await an_eval(scene)
    run_id = await a_run(scene, eval_id)
    asked = fine_tuning_pb2.CreateFineTuningJobRequest(model="demo", training_file=training_file, suffix="mine")
    job_id = (await scene.tuning.CreateFineTuningJob(asked, metadata=AUTH)).job.id
    await scene.work()
    async with scene.served.http_client() as http:
        return Things(
            completion_id,
            training_file,
            evals_file,
            eval_id,
            run_id,
            (await listed(http, f"/v1/evals/{eval_id}/runs/{run_id}/output_items"))[0]["id"],
            job_id,
            (await listed(http, f"/v1/fine_tuning/jobs/{job_id}/events"))[0]["id"],
            (await listed(http, f"/v1/fine_tuning/jobs/{job_id}/checkpoints"))[0]["id"],
            await scene.tuned(),
        )


async def listed(http: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(address)).json()["data"]
    return found


async def seen(scene: Scene, made: Things) -> list[bytes]:
    """All of it, as its owner sees it."""
    async with scene.served.http_client() as http:
        answers = [await http.get(address) for address in made.addresses]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return [answer.content for answer in answers]
