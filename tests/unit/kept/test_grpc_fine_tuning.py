"""``FineTuningService`` over a real socket."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2 as pb
from cluster.edges.grpc.generated.ossature.v1 import jobs_pb2
from cluster.files.model import Purpose
from tests.unit.kept.errors import refused
from tests.unit.kept.scene import AUTH, Scene


async def create(scene: Scene, **fields: Any) -> pb.FineTuningJob:
    given: dict[str, Any] = {"model": "demo", "training_file": await scene.training_file(), **fields}
    job: pb.FineTuningJob = (await scene.tuning.CreateFineTuningJob(pb.CreateFineTuningJobRequest(**given), metadata=AUTH)).job
    return job


async def get(scene: Scene, job_id: str) -> pb.FineTuningJob:
    asked = pb.GetFineTuningJobRequest(fine_tuning_job_id=job_id)
    job: pb.FineTuningJob = (await scene.tuning.GetFineTuningJob(asked, metadata=AUTH)).job
    return job


async def test_a_job_from_its_creation_to_the_model(scene: Scene) -> None:
    validation = await scene.training_file()
    method = pb.FineTuningMethod(supervised=pb.SupervisedMethod(hyperparameters=pb.SupervisedHyperparameters(batch_size=5)))
    job = await create(scene, validation_file=validation, suffix="tone", seed=7, metadata={"a": "b"}, method=method)
    assert (job.status, job.seed, dict(job.metadata)) == (pb.FINE_TUNING_JOB_STATUS_VALIDATING_FILES, 7, {"a": "b"})
    assert job.method == method, "what is still to be chosen is absent"
    assert not job.HasField("fine_tuned_model")
    await scene.work()
    job = await get(scene, job.id)
    assert (job.status, job.trained_tokens, job.HasField("error")) == (pb.FINE_TUNING_JOB_STATUS_SUCCEEDED, 12345, False)
    assert job.fine_tuned_model.startswith(f"ft:demo:{job.organization_id}:tone:")
    assert job.method.supervised.hyperparameters.n_epochs == 4
    assert (len(job.result_files), job.finished_at >= job.created_at) == (1, True)

    async def events(**fields: Any) -> pb.ListFineTuningJobEventsResponse:
        asked = pb.ListFineTuningJobEventsRequest(fine_tuning_job_id=job.id, **fields)
        page: pb.ListFineTuningJobEventsResponse = await scene.tuning.ListFineTuningJobEvents(asked, metadata=AUTH)
        return page

    every = (await events(limit=100)).events
    assert every[-1].message == f"The fine-tuning job {job.id} was created."
    assert every[0].level == jobs_pb2.JOB_EVENT_LEVEL_INFO
    steps = [event.metrics for event in every if event.HasField("metrics")]
    assert (steps[-1].step, steps[-1].total_steps, steps[-1].train_loss) == (1, 8, 1.0)
    assert all(json.loads(event.data)["step"] == event.metrics.step for event in every if event.HasField("metrics"))
    first = await events(limit=2)
    assert (list(first.events), first.has_more) == (every[:2], True)
    assert list((await events(limit=2, after=every[1].id)).events) == every[2:4]

    asked = pb.ListFineTuningJobCheckpointsRequest(fine_tuning_job_id=job.id, limit=2)
    checkpoints = await scene.tuning.ListFineTuningJobCheckpoints(asked, metadata=AUTH)
    assert ([each.step_number for each in checkpoints.checkpoints], checkpoints.has_more) == ([8, 6], True)
    assert checkpoints.checkpoints[0].fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-8"
    assert checkpoints.checkpoints[0].metrics.full_valid_loss == 0.25


async def test_preferences_are_tuned_on(scene: Scene) -> None:
    method = pb.FineTuningMethod(dpo=pb.DpoMethod(hyperparameters=pb.DpoHyperparameters(beta=0.5, n_epochs=2)))
    assert (await create(scene, method=method)).method == method


async def test_jobs_are_listed_by_metadata(scene: Scene) -> None:
    made = [(await create(scene, metadata=metadata)).id for metadata in ({"k": "1"}, {}, {"k": "2"})]

    async def ids(**fields: Any) -> list[str]:
        answer = await scene.tuning.ListFineTuningJobs(pb.ListFineTuningJobsRequest(**fields), metadata=AUTH)
        return [each.id for each in answer.jobs]

    assert await ids() == made[::-1]
    assert await ids(after=made[2], limit=1) == [made[1]]
    assert await ids(metadata={"k": "1"}) == [made[0]]
    assert await ids(without_metadata=True) == [made[1]]
    both = await refused(ids(without_metadata=True, metadata={"k": "1"}))
    assert (both.code, both.field) == (grpc.StatusCode.INVALID_ARGUMENT, "without_metadata")


async def test_a_job_is_paused_resumed_and_cancelled(scene: Scene) -> None:
    job = await create(scene)
    paused = await scene.tuning.PauseFineTuningJob(pb.PauseFineTuningJobRequest(fine_tuning_job_id=job.id), metadata=AUTH)
    assert paused.job.paused
    resumed = await scene.tuning.ResumeFineTuningJob(pb.ResumeFineTuningJobRequest(fine_tuning_job_id=job.id), metadata=AUTH)
    assert not resumed.job.paused
    cancel = pb.CancelFineTuningJobRequest(fine_tuning_job_id=job.id)
    cancelled = await scene.tuning.CancelFineTuningJob(cancel, metadata=AUTH)
    assert cancelled.job.status == pb.FINE_TUNING_JOB_STATUS_CANCELLED
    over = await refused(scene.tuning.PauseFineTuningJob(pb.PauseFineTuningJobRequest(fine_tuning_job_id=job.id), metadata=AUTH))
    assert (over.code, over.reason) == (grpc.StatusCode.ALREADY_EXISTS, "JOB_NOT_PAUSABLE")


async def test_a_failed_job_says_why(scene: Scene) -> None:
    bad = await scene.upload(b"{}\n", Purpose.FINE_TUNE)
    job = await create(scene, training_file=bad)
    await scene.work()
    failed = await get(scene, job.id)
    assert failed.status == pb.FINE_TUNING_JOB_STATUS_FAILED
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"model": "nothing"}, "model", "MODEL_NOT_AVAILABLE"),
        ({"model": ""}, "model", "EMPTY_STRING"),
        ({"training_file": "file-0"}, "training_file", "FILE_NOT_FOUND"),
        ({"suffix": "a b"}, "suffix", "INVALID_VALUE"),
        ({"seed": -1}, "seed", "INTEGER_BELOW_MIN_VALUE"),
        ({"method": pb.FineTuningMethod()}, "method", "MISSING_REQUIRED_PARAMETER"),
        (
            {
                "method": pb.FineTuningMethod(
                    supervised=pb.SupervisedMethod(hyperparameters=pb.SupervisedHyperparameters(n_epochs=51))
                )
            },
            "method.supervised.hyperparameters.n_epochs",
            "INTEGER_ABOVE_MAX_VALUE",
        ),
        (
            {"method": pb.FineTuningMethod(dpo=pb.DpoMethod(hyperparameters=pb.DpoHyperparameters(beta=float("nan"))))},
            "method.hyperparameters.beta",
            "INVALID_VALUE",
        ),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(scene: Scene, fields: dict[str, Any], field: str, reason: str) -> None:
    refusal = await refused(create(scene, **fields))
    assert (refusal.code, refusal.field, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, field, reason)
