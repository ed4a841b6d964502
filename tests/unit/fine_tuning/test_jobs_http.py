"""``/v1/fine_tuning/jobs`` by OpenAI's own client, strictly, and against OpenAI's own description."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from cluster.config.settings.tuning import TuningSettings
from tests.openai_schema import SchemaOracle
from tests.unit.fine_tuning.conftest import Tuning, lines
from tests.unit.fine_tuning.samples import preference
from tests.unit.storage.served import ACME


async def test_a_job_from_its_creation_to_the_model(tuning: Tuning, oracle: SchemaOracle) -> None:
    training, validation = await tuning.upload(lines()), await tuning.upload(lines(count=2))
    async with tuning.client as client:
        jobs = client.fine_tuning.jobs
        job = await jobs.create(
            model="base", training_file=training, validation_file=validation, suffix="tone", seed=7, metadata={"a": "b"}
        )
        assert (job.status, job.seed, job.metadata, job.fine_tuned_model) == ("validating_files", 7, {"a": "b"}, None)
        assert job.hyperparameters.n_epochs == "auto"
        assert await tuning.worker().run_one()
        job = await jobs.retrieve(job.id)
        assert (job.status, job.trained_tokens, job.error) == ("succeeded", 12345, None)
        assert job.fine_tuned_model is not None
        assert job.fine_tuned_model.startswith(f"ft:base:{job.organization_id}:tone:")
        assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (4, 5)
        assert job.method is not None
        assert job.method.supervised is not None

        [file_id] = job.result_files
        result = (await client.files.content(file_id)).content.decode().splitlines()
        assert (await client.files.retrieve(file_id)).purpose == "fine-tune-results"
        assert result[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
        assert result[1:3] == ["1,1.0,0.5,,", "2,0.5,0.5,1.0,0.25"]
        assert len(result) == 9

        checkpoints = (await jobs.checkpoints.list(job.id)).data
        assert [each.step_number for each in checkpoints] == [8, 6, 4]
        assert checkpoints[0].fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-8"
        assert checkpoints[0].metrics.full_valid_loss == 0.25

    async with tuning.served.http_client() as http:
        root = "/v1/fine_tuning/jobs"
        assert oracle.problems("FineTuningJob", (await http.get(f"{root}/{job.id}")).json()) == []
        assert oracle.problems("ListPaginatedFineTuningJobsResponse", (await http.get(root)).json()) == []
        events = (await http.get(f"{root}/{job.id}/events?limit=100")).json()
        assert oracle.problems("ListFineTuningJobEventsResponse", events) == []
        shown = (await http.get(f"{root}/{job.id}/checkpoints")).json()
        assert oracle.problems("ListFineTuningJobCheckpointsResponse", shown) == []
    names = [publication.name for publication in tuning.publisher.published]
    assert names == [job.fine_tuned_model, *(f"{job.fine_tuned_model}:ckpt-step-{step}" for step in (4, 6, 8))]


async def test_events_newest_first_page_by_page(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    async with tuning.client as client:
        jobs = client.fine_tuning.jobs
        job = await jobs.create(model="base", training_file=file_id)
        await tuning.worker().run_one()
        seen = [event async for event in jobs.list_events(job.id, limit=3)]
    messages = [event.message for event in reversed(seen)]
    assert messages == await tuning.messages(job.id)
    assert messages[:4] == [
        f"The fine-tuning job {job.id} was created.",
        f"Reading the training file {file_id}.",
        "The training file is in order: 10 examples, 10 answers to learn from.",
        "8 steps. About a minute.",
    ]
    metrics = [event for event in reversed(seen) if event.type == "metrics"]
    assert [event.data["step"] for event in metrics if isinstance(event.data, dict)] == list(range(1, 9))
    assert metrics[1].message == "Step 2/8: training loss=0.50"
    assert all(event.id.startswith("ftevent-") for event in seen)
    assert messages[-1].startswith("The job has succeeded")


async def test_preferences(tuning: Tuning, oracle: SchemaOracle) -> None:
    file_id = await tuning.upload(lines(*[preference()] * 10))
    method: Any = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 2}}}
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id, method=method)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded"
    assert job.method is not None
    assert job.method.dpo is not None
    assert job.method.dpo.hyperparameters is not None
    assert job.method.dpo.hyperparameters.beta == 0.3
    [spec] = tuning.trainer.specs
    assert spec.method == "dpo"
    assert not spec.training_rows.exists(), "rows are kept after the training"
    async with tuning.served.http_client() as http:
        assert oracle.problems("FineTuningJob", (await http.get(f"/v1/fine_tuning/jobs/{job.id}")).json()) == []


async def test_bad_lines_are_all_told_at_once(tuning: Tuning, oracle: SchemaOracle) -> None:
    data = lines(count=10) + b'{"messages": 1}\n\n' + b"{\n" + lines(count=1)
    file_id = await tuning.upload(data)
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
        events = (await client.fine_tuning.jobs.list_events(job.id)).data
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
    assert job.error.message == (
        "The training file can't be used: 3 of its lines are not valid. "
        "Line 11: Invalid type for 'messages': expected an array, but got an integer instead. "
        "Line 12: The line is empty. "
        "Line 13: The line is not valid JSON: Expecting property name enclosed in double quotes (column 2)."
    )
    [told] = [event.data for event in events if isinstance(event.data, dict) and "problems" in event.data]
    assert [(each["line"], each["param"], each["code"]) for each in told["problems"]] == [
        (11, "messages", "invalid_type"),
        (12, None, "invalid_json"),
        (13, None, "invalid_json"),
    ]
    assert tuning.trainer.specs == []
    async with tuning.served.http_client() as http:
        assert oracle.problems("FineTuningJob", (await http.get(f"/v1/fine_tuning/jobs/{job.id}")).json()) == []


async def test_many_bad_lines_are_bounded(tuning: Tuning) -> None:
    file_id = await tuning.upload(b"[]\n" * 5000)
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.error is not None
    assert job.error.message.startswith("The training file can't be used: 5000 of its lines are not valid. Line 1: The line is not")
    assert job.error.message.endswith("And 4980 more problems; the job's events name the first 100.")
    events = (await tuning.jobs.events(ACME, job.id, limit=50)).events
    told = [problem for event in events for problem in event.data.get("problems", [])]
    assert [problem["line"] for problem in told] == list(range(1, 101))


async def test_too_few_examples_in_openais_words(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines(count=7))
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.error is not None
    assert job.error.model_dump() == {
        "code": "invalid_n_examples",
        "param": "training_file",
        "message": "Training file has 7 example(s), but must have at least 10 examples",
    }


async def test_a_bad_validation_file_is_named(tuning: Tuning) -> None:
    training, validation = await tuning.upload(lines()), await tuning.upload(b"{}")
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=training, validation_file=validation)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.error is not None
    assert (job.error.code, job.error.param) == ("invalid_validation_file", "validation_file")


async def test_a_file_that_was_deleted_meanwhile(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        await client.files.delete(file_id)
        await tuning.worker().run_one()
        job = await client.fine_tuning.jobs.retrieve(job.id)
    assert job.error is not None
    assert (job.error.code, job.error.param) == ("file_not_found", "training_file")


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": {}}}}, "method.type", "unsupported_value"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "integrations", "unsupported_parameter"),
        ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised", "invalid_parameter_combination"),
        ({"method": {"type": "dpo"}, "hyperparameters": {}}, "hyperparameters", "invalid_parameter_combination"),
        (
            {"method": {"type": "supervised", "supervised": {"hyperparameters": {}}}, "hyperparameters": {}},
            "hyperparameters",
            "invalid_parameter_combination",
        ),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs", "integer_below_min_value"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs", "integer_above_max_value"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs", "invalid_value"),
        ({"hyperparameters": {"n_epochs": True}}, "hyperparameters.n_epochs", "invalid_type"),
        ({"hyperparameters": {"batch_size": 257}}, "hyperparameters.batch_size", "integer_above_max_value"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "hyperparameters.learning_rate_multiplier", "invalid_value"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}}, "method.dpo.hyperparameters.beta", None),
        ({"suffix": ""}, "suffix", "empty_string"),
        ({"suffix": "a" * 65}, "suffix", "string_above_max_length"),
        ({"suffix": "a:b"}, "suffix", "invalid_value"),
        ({"seed": -1}, "seed", "integer_below_min_value"),
        ({"seed": 2**31}, "seed", "integer_above_max_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"model": "nobody"}, "model", "model_not_available"),
        ({"model": "globex-only"}, "model", "model_not_available"),
        ({"model": "fixed"}, "model", "model_not_available"),
        ({"model": "elsewhere"}, "model", "model_not_available"),
        ({"training_file": "file-" + "0" * 32}, "training_file", "file_not_found"),
        ({"training_file": "evals"}, "training_file", "invalid_file_purpose"),
        ({"validation_file": "same"}, "validation_file", "invalid_value"),
        ({"learning_rate": 1}, "learning_rate", "unrecognized_request_argument"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_what_creation_refuses(tuning: Tuning, body: dict[str, Any], param: str, code: str | None) -> None:
    file_id = await tuning.upload(lines())
    request = {"model": "base", "training_file": file_id, **body}
    if request["training_file"] == "evals":
        request["training_file"] = await tuning.upload(lines(), "evals")
    if request.get("validation_file") == "same":
        request["validation_file"] = file_id
    async with tuning.served.http_client() as http:
        answer = await http.post("/v1/fine_tuning/jobs", json=request)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert code is None or error["code"] == code


@pytest.mark.parametrize("tuning_settings", [TuningSettings(enabled=False)])
async def test_a_cluster_that_trains_nothing_says_what_to_do(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    async with tuning.client as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        assert (await client.fine_tuning.jobs.list()).data == []
    assert refused.value.code == "fine_tuning_not_configured"
    assert "tuning.enabled" in str(refused.value)


async def test_other_organizations_and_projects_see_nothing(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    async with tuning.client as client:
        job = await client.fine_tuning.jobs.create(model="base", training_file=file_id)
        await tuning.worker().run_one()
        event = (await client.fine_tuning.jobs.list_events(job.id)).data[0]
    for key in ("sk-globex", "sk-acme-other"):
        async with tuning.served.client(key) as other:
            jobs = other.fine_tuning.jobs
            assert (await jobs.list()).data == []
            calls: list[Any] = [
                jobs.retrieve(job.id),
                jobs.cancel(job.id),
                jobs.pause(job.id),
                jobs.resume(job.id),
                jobs.list_events(job.id),
                jobs.list_events(job.id, after=event.id),
                jobs.checkpoints.list(job.id),
            ]
            for call in calls:
                with pytest.raises(openai.NotFoundError) as refused:
                    await call
                assert refused.value.code == "fine_tuning_job_not_found"
            with pytest.raises(openai.BadRequestError) as unknown:
                await jobs.list(after=job.id)
            assert unknown.value.param == "after"
            with pytest.raises(openai.BadRequestError) as not_ours:
                await jobs.create(model="base", training_file=file_id)
            assert not_ours.value.code == "file_not_found"


async def test_a_list_by_metadata(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    async with tuning.client as client:
        jobs = client.fine_tuning.jobs
        made = [
            await jobs.create(model="base", training_file=file_id, metadata=metadata)
            for metadata in ({"k": "1"}, {"k": "2", "x": "y"}, None, {"k": "1", "x": "y"})
        ]
        ids = [job.id for job in made]
        assert [job.id for job in (await jobs.list(metadata={"k": "1"})).data] == [ids[3], ids[0]]
        assert [job.id for job in (await jobs.list(metadata={"k": "1", "x": "y"})).data] == [ids[3]]
        page = await jobs.list(metadata={"k": "1"}, limit=1)
        assert ([job.id for job in page.data], page.has_more) == ([ids[3]], True)
        assert [job.id async for job in jobs.list(metadata={"k": "1"}, limit=1)] == [ids[3], ids[0]]
    async with tuning.served.http_client() as http:
        answer = (await http.get("/v1/fine_tuning/jobs?metadata=null")).json()
    assert [job["id"] for job in answer["data"]] == [ids[2]]


@pytest.mark.parametrize("job_id", ["ftjob-", "ftjob-" + "0" * 32, "x", "file-" + "0" * 32])
async def test_jobs_that_are_none(tuning: Tuning, job_id: str) -> None:
    async with tuning.served.http_client() as http:
        for path in (f"/{job_id}", f"/{job_id}/events", f"/{job_id}/checkpoints"):
            answer = await http.get(f"/v1/fine_tuning/jobs{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "fine_tuning_job_not_found")


async def test_result_files_are_not_uploaded(tuning: Tuning) -> None:
    async with tuning.client as client:
        with pytest.raises(openai.BadRequestError, match="made by fine-tuning jobs"):
            await client.files.create(file=("a", b"x"), purpose="fine-tune-results")  # type: ignore[arg-type]
