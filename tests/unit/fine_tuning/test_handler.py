"""Whatever ends a run, the next one goes on, and nothing happens twice."""

from __future__ import annotations

import asyncio
import json

import pytest

from cluster.config.settings.images import ImageSettings
from cluster.config.settings.tuning import TuningSettings
from cluster.jobs.model import JobState
from cluster.tuning.trainer import TrainingFailed
from tests.unit.fine_tuning.conftest import Tuning, lines
from tests.unit.fine_tuning.samples import data_url, picture, with_images
from tests.unit.storage.served import ACME


async def created(tuning: Tuning, data: bytes | None = None, **options: object) -> str:
    file_id = await tuning.upload(lines() if data is None else data)
    async with tuning.served.http_client() as http:
        answer = await http.post("/v1/fine_tuning/jobs", json={"model": "base", "training_file": file_id, **options})
    assert answer.status_code == 200, answer.text
    job_id: str = answer.json()["id"]
    return job_id


async def status(tuning: Tuning, job_id: str) -> str:
    async with tuning.served.http_client() as http:
        shown: str = (await http.get(f"/v1/fine_tuning/jobs/{job_id}")).json()["status"]
    return shown


async def test_a_worker_that_dies_while_it_trains(tuning: Tuning) -> None:
    tuning.trainer.die_at = 4
    job_id = await created(tuning)
    assert await tuning.worker().run_one()
    assert (await tuning.job(job_id)).state is JobState.QUEUED
    assert await tuning.worker().run_one()
    job = await tuning.job(job_id)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert len(tuning.trainer.counts) == 1, "the estimate was made again"
    messages = await tuning.messages(job_id)
    assert len(messages) == len(set(messages)), "something was told twice"
    metrics = [event for event in (await tuning.jobs.events(ACME, job_id, limit=500)).events if event.type == "metrics"]
    assert [event.data["step"] for event in metrics] == list(range(1, 9))


async def test_the_result_file_has_each_step_once_after_a_death(tuning: Tuning) -> None:
    tuning.trainer.die_at = 4
    job_id = await created(tuning)
    await tuning.worker().run_one()
    await tuning.worker().run_one()
    job = await tuning.job(job_id)
    assert job.result is not None
    async with tuning.served.http_client() as http:
        content = (await http.get(f"/v1/files/{job.result['result_files'][0]}/content")).text
        files = (await http.get("/v1/files?purpose=fine-tune-results")).json()["data"]
    assert [line.split(",")[0] for line in content.splitlines()[1:]] == [str(step) for step in range(1, 9)]
    assert len(files) == 1


async def test_publishing_that_fails_is_tried_again_without_training_again(tuning: Tuning) -> None:
    tuning.publisher.trouble = 1
    job_id = await created(tuning)
    await tuning.worker().run_one()
    assert (await tuning.job(job_id)).state is JobState.QUEUED
    async with tuning.served.http_client() as http:
        assert (await http.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints")).json()["data"] == []
    await tuning.worker().run_one()
    assert (await tuning.job(job_id)).state is JobState.SUCCEEDED
    assert len(tuning.trainer.specs) == 1
    assert len(tuning.publisher.published) == 4


async def test_a_training_that_can_not_be_done_fails_the_job(tuning: Tuning) -> None:
    tuning.trainer.refusal = TrainingFailed("training_diverged", "The loss is not finite.")
    job_id = await created(tuning)
    await tuning.worker().run_one()
    job = await tuning.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.message, job.error.param) == ("training_diverged", "The loss is not finite.", None)
    assert not list(tuning.served.folder.rglob("training.jsonl")), "the rows are kept"


async def test_pause_and_resume(tuning: Tuning) -> None:
    tuning.trainer.wait_at = 5
    job_id = await created(tuning)
    running = asyncio.create_task(tuning.worker().run_one())
    await tuning.trainer.waiting.wait()
    assert await status(tuning, job_id) == "running"
    async with tuning.served.http_client() as http:
        await http.post(f"/v1/fine_tuning/jobs/{job_id}/pause")
        await running
        paused = (await http.get(f"/v1/fine_tuning/jobs/{job_id}")).json()
        assert (paused["status"], paused["paused"]) == ("running", True)
        resumed = (await http.post(f"/v1/fine_tuning/jobs/{job_id}/resume")).json()
        assert "paused" not in resumed
    await tuning.worker().run_one()
    assert await status(tuning, job_id) == "succeeded"
    messages = await tuning.messages(job_id)
    assert [message for message in messages if "paus" in message or "resum" in message] == [
        "The job is being paused.",
        "The job was paused.",
        "The job was resumed.",
    ]
    assert len([message for message in messages if message.startswith("Step ")]) == 8


async def test_cancel_while_it_trains_leaves_nothing(tuning: Tuning) -> None:
    tuning.trainer.wait_at = 3
    job_id = await created(tuning)
    running = asyncio.create_task(tuning.worker().run_one())
    await tuning.trainer.waiting.wait()
    async with tuning.served.http_client() as http:
        await http.post(f"/v1/fine_tuning/jobs/{job_id}/cancel")
        await running
        job = (await http.get(f"/v1/fine_tuning/jobs/{job_id}")).json()
    assert (job["status"], job["fine_tuned_model"], job["result_files"]) == ("cancelled", None, [])
    assert job["finished_at"] is not None
    assert tuning.publisher.published == []
    assert not list(tuning.served.folder.rglob(f"{job_id}/*"))


@pytest.mark.slow
async def test_a_worker_that_goes_away_leaves_the_training_to_the_next(tuning: Tuning) -> None:
    tuning.trainer.wait_at = 5
    job_id = await created(tuning)
    worker = tuning.worker()
    worker.start()
    await tuning.trainer.waiting.wait()
    await worker.close()
    assert (await tuning.job(job_id)).state is JobState.QUEUED
    await tuning.worker().run_one()
    assert await status(tuning, job_id) == "succeeded"


async def test_the_trainer_gets_rows_seed_and_the_date_of_creation(tuning: Tuning) -> None:
    seen: list[bytes] = []
    estimate = tuning.trainer.estimate

    async def look(spec, counts):  # type: ignore[no-untyped-def]
        seen.append(spec.training_rows.read_bytes())
        return await estimate(spec, counts)

    tuning.trainer.estimate = look  # type: ignore[method-assign]
    job_id = await created(tuning, seed=11)
    await tuning.worker().run_one()
    job = await tuning.job(job_id)
    [spec] = tuning.trainer.specs
    assert spec.seed == 11
    assert spec.template_variables == {"date": job.spec["date"]}
    assert spec.hyperparameters.n_epochs == 4, "resolved before the training"
    assert len(seen[0].splitlines()) == 10
    assert json.loads(seen[0].splitlines()[0])["completion"] == [{"role": "assistant", "content": "Hi."}]


async def test_images_for_a_model_that_takes_none(tuning: Tuning) -> None:
    job_id = await created(tuning, lines(*[with_images(data_url(picture()))] * 10))
    await tuning.worker().run_one()
    job = await tuning.job(job_id)
    assert job.error is not None
    assert job.error.code == "invalid_training_file"
    assert "the model takes no images" in job.error.message


@pytest.mark.parametrize("tuning_settings", [TuningSettings(enabled=True, max_examples=12, images=ImageSettings())])
async def test_too_many_examples(tuning: Tuning) -> None:
    job_id = await created(tuning, lines(count=13))
    await tuning.worker().run_one()
    job = await tuning.job(job_id)
    assert job.error is not None
    assert job.error.message == "Training file has more than 12 examples"
