"""``ossature completions`` and ``ossature files`` against a gateway's real HTTP edge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from typer.testing import CliRunner, Result

from cluster.cli.app import app
from cluster.cli.output import ExitCode
from tests.unit.storage.served import Served

Command = Callable[..., Result]


async def run(served: Served, *arguments: str, code: int = 0) -> Result:
    """A command in a thread, beside the gateway's event loop."""
    env = {"OSSATURE_BASE_URL": served.url, "OSSATURE_API_KEY": "sk-acme"}
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


async def store(client: AsyncOpenAI, **metadata: str) -> str:
    question = [{"role": "user", "content": "Hi"}]
    answer = await client.chat.completions.create(model="demo", messages=question, store=True, metadata=metadata)  # type: ignore[arg-type]
    return str(answer.id)


async def test_a_file_is_uploaded_listed_fetched_and_deleted(served: Served, tmp_path: Path) -> None:
    source, target = tmp_path / 'a "b".jsonl', tmp_path / "back.jsonl"
    source.write_bytes(b"x" * 600_000)
    uploaded = await run(served, "files", "upload", str(source), "--purpose", "fine-tune", "--expires-after", "3600")
    file_id = uploaded.stdout.strip()
    listed = json.loads((await run(served, "files", "list", "--purpose", "fine-tune", "--json")).stdout)
    assert [each["id"] for each in listed["data"]] == [file_id]
    assert file_id in (await run(served, "files", "list")).stdout
    assert (await run(served, "files", "list", "--purpose", "evals")).stdout == "There are no files.\n"
    shown = await run(served, "files", "get", file_id, "-o", str(target))
    assert "bytes: 600000" in shown.stdout
    assert "never" not in shown.stdout
    assert target.read_bytes() == source.read_bytes()
    await run(served, "files", "delete", file_id)
    assert (await run(served, "files", "get", file_id, code=ExitCode.NOT_FOUND)).stdout == ""


async def test_a_refused_upload_says_why(served: Served, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"x")
    refused = await run(served, "files", "upload", str(source), "--purpose", "evals", "--expires-after", "5", code=ExitCode.USAGE)
    assert "expires_after.seconds" in refused.stderr
    missing = await run(served, "files", "upload", str(tmp_path / "no"), "--purpose", "evals", code=ExitCode.USAGE)
    assert "can't be read" in missing.stderr


async def test_completions_are_listed_shown_and_deleted(served: Served, client: AsyncOpenAI) -> None:
    first, second = await store(client, task="a"), await store(client, task="b")
    listed = json.loads((await run(served, "completions", "list", "--json")).stdout)
    assert [each["id"] for each in listed["data"]] == [second, first]
    assert first not in (await run(served, "completions", "list", "--metadata", "task=b")).stdout
    shown = (await run(served, "completions", "get", first)).stdout
    assert "task=a" in shown
    assert shown.endswith("user\nHi\n\nassistant\nHello there.\n")
    await run(served, "completions", "delete", first)
    await run(served, "completions", "get", first, code=ExitCode.NOT_FOUND)
    await run(served, "completions", "list", "--metadata", "task", code=ExitCode.USAGE)


@pytest.mark.parametrize("to_folder", [True, False], ids=["to a file", "to standard output"])
async def test_an_export_holds_examples_alone_and_says_what_was_left_out(
    served: Served, client: AsyncOpenAI, tmp_path: Path, to_folder: bool
) -> None:
    for _ in range(3):
        await store(client, task="a")
    served.relay.finish_reason = "length"
    await store(client, task="a")
    target = tmp_path / "train.jsonl"
    output = ("-o", str(target)) if to_folder else ()
    done = await run(served, "completions", "export", "--metadata", "task=a", *output)
    lines = (target.read_text() if to_folder else done.stdout).splitlines()
    assert [json.loads(line)["messages"][-1]["content"] for line in lines] == ["Hello there."] * 3
    assert "3 examples of 4 completions" in done.stderr
    assert "Left out: 1 (cut off)" in done.stderr


async def test_an_empty_export_is_empty(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "train.jsonl"
    summary = json.loads((await run(served, "completions", "export", "-o", str(target), "--json")).stdout)
    assert (summary["completions"], target.read_bytes()) == (0, b"")


async def test_an_export_can_stay_in_the_cluster(served: Served, client: AsyncOpenAI) -> None:
    await store(client)
    done = await run(served, "completions", "export", "--to-file", "t.jsonl")
    file = await client.files.retrieve(done.stdout.strip())
    assert (file.filename, file.purpose) == ("t.jsonl", "fine-tune")
    await run(served, "completions", "export", "--to-file", "t", "-o", "x", code=ExitCode.USAGE)
    await run(served, "completions", "export", "--json", code=ExitCode.USAGE)
