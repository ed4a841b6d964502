"""A tuned model is published once its engine was found to answer as the training says it does, and never before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.engine.contract import EngineRequest, EngineUsage, Fault, FaultKind, Frame
from cluster.jobs.model import JobState
from cluster.tuned.service import TunedModels
from cluster.tuning.parity_probe import ParityProbe
from cluster.tuning.trainer import OnCheckpoint, OnMetrics, TrainedCheckpoint, TrainingResult, TrainingSpec
from cluster.tuning.training.parity import Scored, Scores, Trained
from tests.unit.fine_tuning.conftest import Tuning
from tests.unit.fine_tuning.test_publishing import WritingTrainer, run
from tests.unit.storage.fake_relay import FakeRelay
from tests.unit.storage.served import ACME

ROWS = [([5, 6, 7, 8], 2), ([5, 9, 10], 1)]
BASE, TUNED = -4.0, -0.25


def scores(value: float) -> Scores:
    return Scores(
        rows=[Scored(ids=ids, prompt_tokens=prompt, log_probabilities=[value] * (len(ids) - prompt)) for ids, prompt in ROWS]
    )


@dataclass
class ScoringTrainer(WritingTrainer):
    """Says of the rows what it was told to say."""

    leaves_scores: bool = True
    of_checkpoints: dict[int, float] = field(default_factory=dict)
    """What it says of the rows with the checkpoint of a step."""

    async def train(
        self, spec: TrainingSpec, on_metrics: OnMetrics, on_checkpoint: OnCheckpoint, stopping: asyncio.Event
    ) -> TrainingResult:
        async def kept(checkpoint: TrainedCheckpoint) -> None:
            if (value := self.of_checkpoints.get(checkpoint.step)) is not None:
                Trained(base=scores(BASE), tuned=scores(value)).write(checkpoint.path)
            await on_checkpoint(checkpoint)

        result = await super().train(spec, on_metrics, kept, stopping)
        if not self.leaves_scores:
            return result
        written = Trained(base=scores(BASE), tuned=scores(TUNED)).write(result.path.parent)
        return TrainingResult(result.path, result.step, result.trained_tokens, written)


@dataclass
class _Scores:
    frame: Frame

    async def __aiter__(self) -> AsyncIterator[Frame]:
        await asyncio.sleep(0)
        yield self.frame

    async def cancel(self) -> None:
        """There is nothing to stop."""


@dataclass
class ScoringRelay(FakeRelay):
    """A replica that scores each token of a prompt with ``value``, once it has given all ``faults``."""

    value: float = TUNED
    faults: list[Fault] = field(default_factory=list)
    asked: Callable[[EngineRequest], None] = lambda request: None

    def open(self, model: str, request: EngineRequest, ticket: object) -> _Scores:  # type: ignore[override]
        self.requests.append(request)
        self.asked(request)
        if self.faults:
            return _Scores(Frame(fault=self.faults.pop(0)))
        ids = json.loads(request.body)["prompt"]
        choice = {"index": 0, "text": "", "logprobs": {"token_logprobs": [0.0, *[self.value] * (len(ids) - 1), -9.0]}}
        body = json.dumps({"id": request.request_id, "choices": [choice]}).encode()
        return _Scores(Frame(payloads=[body], usage=EngineUsage(prompt_tokens=len(ids), completion_tokens=1)))


@pytest.fixture
def relay() -> ScoringRelay:
    return ScoringRelay()


def probe_of(tuning: Tuning, wait_s: float = 30.0) -> ParityProbe:
    return ParityProbe(tuning.served.inference, wait_s, retry_s=0.02)


def registry_of(tuning: Tuning) -> TunedModels:
    assert tuning.served.storage.tuned is not None
    return tuning.served.storage.tuned


async def verdict_event(tuning: Tuning, job_id: str) -> dict[str, object]:
    events = (await tuning.jobs.events(ACME, job_id, limit=500)).events
    [verdict] = [event.data["parity"] for event in events if "parity" in event.data]
    assert isinstance(verdict, dict)
    return verdict


async def failed_with(tuning: Tuning, job_id: str) -> tuple[str, str]:
    """The job's error; and nothing of its model is left."""
    job = await tuning.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.result is None
    name = job.spec["tuned_model"]
    assert await registry_of(tuning).find(ACME, name, probation=True) is None
    assert await registry_of(tuning).list(ACME) == []
    assert not [each for each in (tuning.served.folder / "tuned-models").rglob("*") if each.is_file()]
    return job.error.code, job.error.message


async def test_a_model_that_is_served_as_it_was_trained_is_published(tuning: Tuning, relay: ScoringRelay) -> None:
    job_id = await run(tuning, ScoringTrainer(), probe_of(tuning))
    job = await tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED
    assert len(await registry_of(tuning).list(ACME)) == 4
    assert await verdict_event(tuning, job_id) == {"reason": "same_as_tuned", "effect": 3.75, "off": 0.0, "from_base": 3.75}
    asked = [json.loads(request.body) for request in relay.requests]
    assert [body["prompt"] for body in asked] == [ids for ids, _ in ROWS], "checkpoints without scores are not probed"
    for request, body in zip(relay.requests, asked, strict=True):
        assert (body["echo"], body["max_tokens"]) == (True, 1)
        assert request.adapter is not None
        assert request.adapter.name == job.spec["tuned_model"]


async def test_checkpoints_are_probed_and_one_that_is_apart_is_left_out(tuning: Tuning, relay: ScoringRelay) -> None:
    """The replica gives every model the log-probabilities of the result."""
    trainer = ScoringTrainer(of_checkpoints={4: BASE, 6: -2.5, 8: TUNED})
    job_id = await run(tuning, trainer, probe_of(tuning))
    job = await tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED
    name = job.spec["tuned_model"]
    assert [model.name for model in await registry_of(tuning).list(ACME)] == [name, f"{name}:ckpt-step-8"]
    async with tuning.served.http_client() as http:
        shown = (await http.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints")).json()["data"]
    assert [each["step_number"] for each in shown] == [8]
    asked = [request.adapter.name for request in relay.requests if request.adapter is not None]
    assert asked == [each for each in (name, *(f"{name}:ckpt-step-{step}" for step in (4, 6, 8))) for _ in ROWS]
    told = [message for message in await tuning.messages(job_id) if "is not published" in message]
    assert [message.partition(".")[0] for message in told] == [
        "The checkpoint of step 4 is not published",
        "The checkpoint of step 6 is not published",
    ]
    assert "too little to tell it from its base" in told[0]
    assert "neither as the tuned model nor as its base" in told[1]


async def test_nobody_sees_a_model_while_it_is_probed(tuning: Tuning, relay: ScoringRelay) -> None:
    looks: list[asyncio.Task[tuple[int, int, int]]] = []

    async def look(name: str) -> tuple[int, int, int]:
        async with tuning.served.http_client() as http:
            chat = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
            listed = (await http.get("/v1/models")).json()["data"]
            asked = await http.post("/v1/chat/completions", json=chat)
            deleted = await http.delete(f"/v1/models/{name}")
        return sum(each["id"] == name for each in listed), asked.status_code, deleted.status_code

    def asked(request: EngineRequest) -> None:
        if not looks:
            looks.append(asyncio.ensure_future(look(json.loads(request.body)["model"])))

    relay.asked = asked
    # So that the probe lasts until the look is over.
    relay.faults = [Fault(FaultKind.OVERLOADED, "Busy.")] * 40
    job = await tuning.job(await run(tuning, ScoringTrainer(), probe_of(tuning)))
    assert await looks[0] == (0, 404, 404)
    assert job.state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("value", "reason"), [(BASE, "equal_to_base"), (-1.9, "apart_from_tuned"), (-9.0, "equal_to_base"), (2.0, "apart_from_tuned")]
)
async def test_a_model_that_is_not_the_trained_one_is_refused(
    tuning: Tuning, relay: ScoringRelay, value: float, reason: str
) -> None:
    relay.value = value
    job_id = await run(tuning, ScoringTrainer(), probe_of(tuning))
    code, message = await failed_with(tuning, job_id)
    assert code == f"parity_{reason}"
    assert message.startswith("The tuned model was not published. The serving engine answers")
    assert (await verdict_event(tuning, job_id))["reason"] == reason


async def test_a_replica_is_waited_for(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.OVERLOADED, "Full."), Fault(FaultKind.ADAPTER_UNREACHABLE, "No store.")]
    job_id = await run(tuning, ScoringTrainer(), probe_of(tuning))
    assert (await tuning.job(job_id)).state is JobState.SUCCEEDED
    assert len([message for message in await tuning.messages(job_id) if message.startswith("Waiting for a replica")]) == 1


async def test_the_wait_for_a_replica_has_an_end(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.OVERLOADED, "Full.")] * 1000
    code, message = await failed_with(tuning, await run(tuning, ScoringTrainer(), probe_of(tuning, wait_s=0.2)))
    assert code == "parity_probe_unreachable"
    assert "no replica of its base model has answered" in message
    assert "The model is at capacity" in message


async def test_an_adapter_that_the_engine_refuses(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.ADAPTER_UNUSABLE, "vLLM does not take it.")]
    code, message = await failed_with(tuning, await run(tuning, ScoringTrainer(), probe_of(tuning)))
    assert (code, message) == ("model_unusable", "The tuned model can't be served: vLLM does not take it.")


async def test_rows_beyond_the_engines_context_are_left_out(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.CONTEXT_LENGTH, "Too long.")]
    job_id = await run(tuning, ScoringTrainer(), probe_of(tuning))
    assert (await tuning.job(job_id)).state is JobState.SUCCEEDED
    assert len(relay.requests) == 2


async def test_none_of_the_rows_fits_the_engines_context(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.CONTEXT_LENGTH, "Too long.")] * 2
    code, message = await failed_with(tuning, await run(tuning, ScoringTrainer(), probe_of(tuning)))
    assert code == "parity_probe_failed"
    assert "context is too small" in message


async def test_a_training_without_scores_is_not_published(tuning: Tuning) -> None:
    code, _ = await failed_with(tuning, await run(tuning, ScoringTrainer(leaves_scores=False), probe_of(tuning)))
    assert code == "parity_probe_failed"


async def test_a_job_that_is_cancelled_waits_no_longer(tuning: Tuning, relay: ScoringRelay) -> None:
    relay.faults = [Fault(FaultKind.OVERLOADED, "Full.")] * 100_000
    begun = asyncio.Event()
    relay.asked = lambda request: begun.set()
    running = asyncio.create_task(run(tuning, ScoringTrainer(), probe_of(tuning, wait_s=600.0)))
    async with asyncio.timeout(120):
        await begun.wait()
        [job] = (await tuning.jobs.list(ACME, "fine_tuning", limit=2)).jobs
        async with tuning.served.http_client() as http:
            await http.post(f"/v1/fine_tuning/jobs/{job.id}/cancel")
        await running
    assert (await tuning.job(job.id)).state is JobState.CANCELLED
    assert await registry_of(tuning).list(ACME) == []


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    trained = Trained(base=scores(BASE), tuned=scores(TUNED))
    assert Trained.model_validate_json(trained.write(tmp_path).read_text()) == trained
    assert [row.ids for row in trained.only([1]).tuned.rows] == [ROWS[1][0]]
