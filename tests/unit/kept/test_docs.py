"""The examples of docs/grpc.md about what is kept run as they stand there."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from tests.unit.grpc.test_docs import EXAMPLES
from tests.unit.kept.scene import AUTH, Scene


async def ran(scene: Scene, about: str, capsys: pytest.CaptureFixture[str], **names: Any) -> tuple[dict[str, Any], str]:
    """The names that the example about this leaves, and what it prints."""
    (code,) = (code for code in EXAMPLES if about in code)
    code = code.replace("gpt-oss-demo", "demo").replace("file-…", await scene.training_file())

    def run() -> dict[str, Any]:
        with grpc.insecure_channel(scene.address) as channel:
            given = {"channel": channel, "auth": AUTH, **names}
            exec(code, given)
        return given

    left = await asyncio.to_thread(run)
    return left, capsys.readouterr().out


async def test_stored_completions_are_listed(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    made = [await scene.store("Hi", metadata={"task": "triage"}) for _ in range(3)]
    _, printed = await ran(scene, "StoredCompletionServiceStub(", capsys)
    assert printed == "".join(f"{name} Hi {{'task': 'triage'}}\n" for name in reversed(made))


async def test_an_eval_is_run(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed = await ran(scene, "EvalServiceStub(", capsys)
    assert printed == "EVAL_RUN_STATUS_QUEUED\n"


async def test_a_job_is_created_and_watched(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    left, printed = await ran(scene, "FineTuningServiceStub(", capsys)
    assert printed == f"{left['job'].id} FINE_TUNING_JOB_STATUS_VALIDATING_FILES\n"
    await scene.work()
    from cluster.edges.grpc.generated.ossature.v1 import fine_tuning_pb2, fine_tuning_pb2_grpc

    class Tuning:
        """The example goes on with a stub of the one before, whose channel is closed by now."""

        def __init__(self) -> None:
            self.channel = grpc.insecure_channel(scene.address)
            self.WatchFineTuningJob = fine_tuning_pb2_grpc.FineTuningServiceStub(self.channel).WatchFineTuningJob

    tuning = Tuning()
    names = {"tuning": tuning, "job": left["job"], "fine_tuning_pb2": fine_tuning_pb2}
    left, printed = await ran(scene, "WatchFineTuningJobRequest(", capsys, **names)
    tuning.channel.close()
    assert left["finished"]
    assert printed.startswith(f"The fine-tuning job {names['job'].id} was created.\n")
    assert "The job has succeeded" in printed
