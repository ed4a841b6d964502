"""``ossature fine-tune``: create, watch, steer and look at fine-tuning jobs."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, printable, when
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Fine-tuning jobs: create, list, get, events, checkpoints, cancel, pause, resume.")

JOBS_PATH = "/v1/fine_tuning/jobs"
_FOLLOW_S = 2.0
_PAGE = "100"
_ENDED = ("succeeded", "failed", "cancelled")

JobArgument = Annotated[str, typer.Argument(help="Id of the job, as `ossature fine-tune list` shows it.")]
FollowFlag = Annotated[bool, typer.Option("--follow", "-f", help="Show events as they come, until the job has ended.")]


class Method(StrEnum):
    SUPERVISED = "supervised"
    DPO = "dpo"


@app.command()
@command
def create(
    training: Annotated[str, typer.Argument(help="The training file: a path to upload, or the id of a file.")],
    model: Annotated[str, typer.Option("--model", help="The model to tune.")],
    validation: Annotated[str | None, typer.Option("--validation", help="A validation file: a path, or an id.")] = None,
    method: Annotated[Method, typer.Option("--method", help="How to tune.")] = Method.SUPERVISED,
    suffix: Annotated[str | None, typer.Option("--suffix", help="Becomes a part of the tuned model's name.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="1 to 50; unset: chosen by the number of examples.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="1 to 256; unset: chosen.")] = None,
    learning_rate_multiplier: Annotated[
        float | None, typer.Option("--learning-rate-multiplier", help="Times the model's usual rate; unset: chosen.")
    ] = None,
    beta: Annotated[float | None, typer.Option("--beta", help="With `--method dpo`: up to 2; unset: chosen.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="For the same training again; unset: by chance.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="A pair to find it by, KEY=VALUE; may be given several times.")
    ] = None,
    follow: FollowFlag = False,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create a fine-tuning job; prints its id.

    Example: ossature fine-tune create train.jsonl --model qwen3-8b --suffix support --follow
    """
    from cluster.cli.client import ClusterClient

    asked = {
        "n_epochs": epochs,
        "batch_size": batch_size,
        "learning_rate_multiplier": learning_rate_multiplier,
        "beta": beta,
    }
    hyperparameters = {name: value for name, value in asked.items() if value is not None}
    body: dict[str, Any] = {"model": model, "method": {"type": str(method), str(method): {"hyperparameters": hyperparameters}}}
    if metadata:
        body["metadata"] = _pairs(metadata)
    body |= {name: value for name, value in (("suffix", suffix), ("seed", seed)) if value is not None}
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        body["training_file"] = _file_id(client, training)
        if validation is not None:
            body["validation_file"] = _file_id(client, validation)
        job = client.post(JOBS_PATH, body)
        if not follow:
            emit_json(job) if as_json else typer.echo(job.get("id"))
            return
        typer.echo(job["id"], err=True)
        _end(_followed(client, job["id"], as_json=as_json), as_json=as_json)


@app.command("list")
@command
def list_(
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="Only those with this pair, KEY=VALUE; may be given several times.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many, newest first.")] = 20,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """List the newest fine-tuning jobs of the API key's project.

    Example: ossature fine-tune list
    """
    from cluster.cli.client import ClusterClient

    query = {"limit": str(limit), **{f"metadata[{key}]": value for key, value in _pairs(metadata or []).items()}}
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        page = client.get(JOBS_PATH, **query)
    if as_json:
        emit_json(page)
        return
    rows = [
        (each.get("id"), _status(each), each.get("model"), when(each.get("created_at")), each.get("fine_tuned_model"))
        for each in page["data"]
    ]
    emit_table(("id", "status", "model", "created", "tuned model"), rows, empty="There are no fine-tuning jobs.")


@app.command()
@command
def get(job_id: JobArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None) -> None:
    """Describe a fine-tuning job.

    Example: ossature fine-tune get ftjob-0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        job = client.get(_path(job_id))
    if as_json:
        emit_json(job)
        return
    _describe(job)


@app.command()
@command
def events(
    job_id: JobArgument,
    follow: FollowFlag = False,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Show what has happened in a fine-tuning job, oldest first. With `--follow --json`: one event a line.

    Example: ossature fine-tune events ftjob-0123456789abcdef --follow
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        if follow:
            _end(_followed(client, job_id, as_json=as_json), as_json=as_json)
            return
        found = list(_new_events(client, job_id, None))
    if as_json:
        emit_json({"object": "list", "data": found})
        return
    for event in found:
        _show(event)


@app.command()
@command
def checkpoints(
    job_id: JobArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """List a job's checkpoints that can be used as models.

    Example: ossature fine-tune checkpoints ftjob-0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        found = client.list(f"{_path(job_id)}/checkpoints")
    if as_json:
        emit_json({"object": "list", "data": found})
        return
    rows = [(each["step_number"], each["fine_tuned_model_checkpoint"], each["metrics"].get("full_valid_loss")) for each in found]
    emit_table(("step", "model", "validation loss"), rows, empty="The job has no checkpoints yet.")


@app.command()
@command
def cancel(
    job_id: JobArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Cancel a fine-tuning job for good.

    Example: ossature fine-tune cancel ftjob-0123456789abcdef
    """
    _steer(job_id, "cancel", as_json, endpoints, base_url)


@app.command()
@command
def pause(
    job_id: JobArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Pause a fine-tuning job: it gives its devices back, and keeps what it has learned.

    Example: ossature fine-tune pause ftjob-0123456789abcdef
    """
    _steer(job_id, "pause", as_json, endpoints, base_url)


@app.command()
@command
def resume(
    job_id: JobArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Let a paused fine-tuning job go on.

    Example: ossature fine-tune resume ftjob-0123456789abcdef
    """
    _steer(job_id, "resume", as_json, endpoints, base_url)


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _steer(job_id: str, verb: str, as_json: bool, endpoints: Path | None, base_url: str | None) -> None:
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        job = client.post(f"{_path(job_id)}/{verb}", {})
    emit_json(job) if as_json else typer.echo(f"{job['id']}: {_status(job)}")


def _file_id(client: Any, given: str) -> str:
    """``given`` itself, if it is the id of a file; else the id of the uploaded file that it is the path of."""
    from cluster.cli.files import Purpose, upload_file

    path = Path(given)
    if given.startswith("file-") and not path.exists():
        return given
    return str(upload_file(client, path, Purpose.FINE_TUNE)["id"])


def _followed(client: Any, job_id: str, *, as_json: bool) -> dict[str, Any]:
    """Show events until the job has ended; the job."""
    import json
    import time

    last: str | None = None
    while True:
        # The job first: when it has ended, all its events are there.
        job: dict[str, Any] = client.get(_path(job_id))
        for event in _new_events(client, job_id, last):
            last = event["id"]
            typer.echo(json.dumps(event, ensure_ascii=False)) if as_json else _show(event)
        if job.get("status") in _ENDED:
            return job
        time.sleep(_FOLLOW_S)


def _new_events(client: Any, job_id: str, last: str | None) -> Iterator[dict[str, Any]]:
    """Events after ``last``, oldest first. The server lists the newest first."""
    found: list[dict[str, Any]] = []
    query = {"limit": _PAGE}
    while True:
        page = client.get(f"{_path(job_id)}/events", **query)
        for event in page["data"]:
            if event["id"] == last:
                return iter(found[::-1])
            found.append(event)
        if not page.get("has_more") or not page["data"]:
            return iter(found[::-1])
        query["after"] = page["data"][-1]["id"]


def _end(job: dict[str, Any], *, as_json: bool) -> None:
    """Raises :class:`CommandError` unless the job has succeeded."""
    if job["status"] == "succeeded":
        if not as_json:
            typer.echo(printable(str(job["fine_tuned_model"])))
        return
    error = job.get("error") or {}
    reason = f": {error['message']}" if error.get("message") else ""
    raise CommandError(f"the job {job['id']} is {job['status']}{printable(reason)}", exit_code=ExitCode.FAILED)


def _show(event: dict[str, Any]) -> None:
    typer.secho(f"{when(event.get('created_at'))}  ", nl=False, dim=True)
    colour = {"warn": typer.colors.YELLOW, "error": typer.colors.RED}.get(str(event.get("level")))
    typer.secho(printable(str(event.get("message"))), fg=colour)
    data = event.get("data")
    for problem in data.get("problems", []) if isinstance(data, dict) else []:
        typer.echo(printable(f"    line {problem.get('line')}: {problem.get('reason')}"))


def _describe(job: dict[str, Any]) -> None:
    for name in ("id", "model", "training_file", "validation_file", "fine_tuned_model", "trained_tokens", "seed"):
        typer.echo(f"{name}: {printable(str(job.get(name) if job.get(name) is not None else '-'))}")
    typer.echo(f"status: {_status(job)}")
    method = job["method"]["type"]
    values = job["method"][method]["hyperparameters"]
    typer.echo(f"method: {method} ({', '.join(f'{name} {value}' for name, value in values.items())})")
    typer.echo(f"created: {when(job.get('created_at'))}")
    if job.get("estimated_finish"):
        typer.echo(f"estimated to finish: {when(job['estimated_finish'])}")
    if job.get("finished_at"):
        typer.echo(f"finished: {when(job['finished_at'])}")
    for file_id in job.get("result_files") or ():
        typer.echo(f"result file: {file_id}")
    if job.get("error"):
        typer.secho(f"error: {printable(job['error']['message'])}", fg=typer.colors.RED)


def _status(job: dict[str, Any]) -> str:
    return "paused" if job.get("paused") else str(job.get("status"))


def _pairs(given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in given:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise CommandError(f"{pair!r} is no pair KEY=VALUE", exit_code=ExitCode.USAGE)
        pairs[key] = value
    return pairs


def _path(job_id: str) -> str:
    return f"{JOBS_PATH}/{quote(job_id, safe='')}"
