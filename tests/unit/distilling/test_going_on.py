"""A distillation that was killed anywhere goes on where it stopped, and makes nothing twice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.distill_cluster import PatientCluster
from cluster.cli.output import ExitCode
from cluster.distilling.state import State
from tests.unit.distilling.conftest import HELD_OUT, QUESTIONS, STUDENT, TEACHER, Cluster
from tests.unit.fine_tuning.fake_trainer import TrainingFailed

NAMES = ("--teacher", TEACHER, "--student", STUDENT, "--suffix", "echo")
pytestmark = pytest.mark.slow


class Killed(BaseException):
    """As if the process had died there: what it had done is done, what it was about to write down is not."""


def die_before_recording(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Once: what ``name`` stands for has been made, and nobody knows."""
    record = State.record

    def dying(state: State, **outputs: Any) -> None:
        if any(key.partition(".")[0] == name for key in outputs):
            monkeypatch.setattr(State, "record", record)
            raise Killed
        record(state, **outputs)

    monkeypatch.setattr(State, "record", dying)


@pytest.mark.parametrize(
    "name", ["sources", "store", "teacher", "before", "baseline", "job", "tune", "after", "eval", "publish", "prices"]
)
async def test_killed_before_something_is_recorded(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    await cluster.store()
    eval_id = await cluster.eval(HELD_OUT[:3])
    items = tmp_path / "items.jsonl"
    items.write_text("\n".join(json.dumps({"item": {"question": each, "answer": each}}) for each in HELD_OUT[:3]))
    command = (*NAMES, "--from", f"model={TEACHER}", "--eval", eval_id, "--items", str(items), "--prompt", "{{item.question}}")
    async with cluster.working():
        die_before_recording(monkeypatch, name)
        with pytest.raises(Killed):
            await cluster.distil(*command)
        [killed] = cluster.states()
        assert not [key for key in killed["outputs"] if key.partition(".")[0] == name]
        done = json.loads((await cluster.distil(*command, "--json")).stdout)
    assert done["id"] == killed["id"]
    assert await cluster.runs(eval_id) == ["teacher", "before", "after"]
    assert await cluster.files() == [f"{done['id']}.train.jsonl"]
    assert await cluster.files("evals") == [f"{done['id']}.items.jsonl"]
    assert len(cluster.trainer.specs) == 1
    assert len([job async for job in cluster.client.fine_tuning.jobs.list()]) == 1
    assert done["training"]["examples"] == len(QUESTIONS)
    assert done["verdict"] in ("better", "no_difference")


async def test_answers_that_were_given_are_not_asked_for_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text("\n".join(json.dumps({"messages": [{"role": "user", "content": each}]}) for each in QUESTIONS))
    eval_id = await cluster.eval(HELD_OUT[:3])
    command = (*NAMES, "--from", str(source), "--eval", eval_id)
    ask, asked = PatientCluster.ask, []
    journals = cluster.state / "ossature" / "distillations"

    def dying(self: PatientCluster, body: Any) -> dict[str, Any]:
        asked.append(body)
        if len(asked) == 6:
            while sum(path.read_bytes().count(b"\n") for path in journals.glob("*.answers.jsonl")) < 3:
                time.sleep(0.01)
            raise Killed
        return ask(self, body)

    monkeypatch.setattr(PatientCluster, "ask", dying)
    async with cluster.working():
        with pytest.raises(Killed):
            await cluster.distil(*command)
        [journal] = journals.glob("*.answers.jsonl")
        known = journal.read_bytes().count(b"\n")
        with journal.open("ab") as file:
            file.write(b'{"n": 9, "exam')  # a write that was cut short
        before = len(asked)
        await cluster.distil(*command)
    assert len(asked) - before == len(QUESTIONS) - known


async def test_a_training_that_failed_is_tried_again_by_resume_and_its_baseline_is_kept(cluster: Cluster) -> None:
    await cluster.store()
    eval_id = await cluster.eval(HELD_OUT[:3])
    async with cluster.working():
        cluster.trainer.refusal = TrainingFailed("out_of_memory", "It does not fit.")
        failed = await cluster.distil(*NAMES, "--from", f"model={TEACHER}", "--eval", eval_id, code=ExitCode.FAILED)
        assert "It does not fit. (out_of_memory)" in failed.stderr
        assert "goes on from here" in failed.stderr
        cluster.trainer.refusal = None
        done = await cluster.distil("--resume")
        assert done.stdout.startswith("ft:")
        assert "store: done before" in done.stderr
        nothing = await cluster.distil("--resume", code=ExitCode.USAGE)
    assert "there is nothing to go on with" in nothing.stderr
    assert await cluster.runs(eval_id) == ["teacher", "before", "after"]


async def test_a_finished_one_only_writes_its_report_again(cluster: Cluster) -> None:
    await cluster.store()
    eval_id = await cluster.eval(HELD_OUT[:3])
    command = (*NAMES, "--from", f"model={TEACHER}", "--eval", eval_id)
    async with cluster.working():
        first = await cluster.distil(*command)
    asked = len(cluster.models.asked)
    again = await cluster.distil(*command, "--price-teacher", "1/1", "--price-student", "1/1", "--json")
    assert json.loads(again.stdout)["runs"]["teacher"]["per_1000_requests"]["cost"] > 0
    remembered = await cluster.distil(*command, "--json")
    assert remembered.stdout == again.stdout
    assert (await cluster.distil(*command)).stdout == first.stdout
    assert len(cluster.models.asked) == asked
