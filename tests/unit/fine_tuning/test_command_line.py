"""``ossature fine-tune`` against a gateway's real HTTP edge."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cluster.cli import fine_tuning
from cluster.cli.app import app
from cluster.cli.output import ExitCode
from tests.unit.fine_tuning.conftest import Tuning, lines


async def run(tuning: Tuning, *arguments: str, code: int = 0) -> Result:
    """A command in a thread, beside the gateway's event loop."""
    env = {"OSSATURE_BASE_URL": tuning.served.url, "OSSATURE_API_KEY": "sk-acme"}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["fine-tune", *arguments], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "_FOLLOW_S", 0.05)


async def test_from_a_local_file_to_the_model(tuning: Tuning, tmp_path: Path) -> None:
    training = tmp_path / "train.jsonl"
    training.write_bytes(lines())
    arguments = ("--model", "base", "--suffix", "tone", "--epochs", "2", "--metadata", "a=b", "--follow")
    following = asyncio.create_task(run(tuning, "create", str(training), *arguments))
    worker = tuning.worker()
    worker.start()
    followed = await following
    await worker.close()
    assert followed.stdout.splitlines()[-1].startswith("ft:base:")
    assert "Step 8/8: training loss=0.12" in followed.stdout
    job_id = followed.stderr.split()[0]

    listed = await run(tuning, "list", "--metadata", "a=b")
    assert job_id in listed.stdout
    assert (await run(tuning, "list", "--metadata", "a=c")).stdout == "There are no fine-tuning jobs.\n"
    shown = (await run(tuning, "get", job_id)).stdout
    assert "status: succeeded" in shown
    assert "method: supervised (n_epochs 4, batch_size 5, learning_rate_multiplier 1.5)" in shown
    events = json.loads((await run(tuning, "events", job_id, "--json")).stdout)["data"]
    assert [event["message"] for event in events] == await tuning.messages(job_id)
    assert "ckpt-step-8" in (await run(tuning, "checkpoints", job_id)).stdout


async def test_a_failed_job_shows_its_lines_and_fails_the_command(tuning: Tuning, tmp_path: Path) -> None:
    training = tmp_path / "train.jsonl"
    training.write_bytes(lines() + b"{}\n")
    made = await run(tuning, "create", str(training), "--model", "base")
    job_id = made.stdout.strip()
    await tuning.worker().run_one()
    failed = await run(tuning, "events", job_id, "--follow", code=ExitCode.FAILED)
    assert "    line 11: Missing required parameter: 'messages'." in failed.stdout
    assert f"the job {job_id} is failed: The training file can't be used" in failed.stderr


async def test_pause_resume_and_cancel(tuning: Tuning) -> None:
    file_id = await tuning.upload(lines())
    job_id = (await run(tuning, "create", file_id, "--model", "base", "--method", "dpo", "--beta", "0.5")).stdout.strip()
    assert (await run(tuning, "pause", job_id)).stdout == f"{job_id}: paused\n"
    assert (await run(tuning, "resume", job_id)).stdout == f"{job_id}: validating_files\n"
    assert (await run(tuning, "cancel", job_id)).stdout == f"{job_id}: cancelled\n"
    await run(tuning, "get", "ftjob-no", code=ExitCode.NOT_FOUND)


async def test_what_is_refused(tuning: Tuning, tmp_path: Path) -> None:
    missing = await run(tuning, "create", str(tmp_path / "no.jsonl"), "--model", "base", code=ExitCode.USAGE)
    assert "can't be read" in missing.stderr
    file_id = await tuning.upload(lines())
    bad = await run(tuning, "create", file_id, "--model", "base", "--epochs", "99", code=ExitCode.USAGE)
    assert "n_epochs" in bad.stderr
    pair = await run(tuning, "list", "--metadata", "x", code=ExitCode.USAGE)
    assert "KEY=VALUE" in pair.stderr
