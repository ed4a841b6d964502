"""``ossature completions``: stored completions, and training files made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, printable, when
from cluster.cli.pairs import pairs_of
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Stored completions: list, get, delete, export.")

COMPLETIONS_PATH = "/v1/chat/completions"
_SUMMARY = "chat.completion.export.summary"

ModelOption = Annotated[str | None, typer.Option("--model", help="Only answers of this model.")]
MetadataOption = Annotated[
    list[str] | None, typer.Option("--metadata", help="Only those with this pair, KEY=VALUE; may be given several times.")
]
IdArgument = Annotated[str, typer.Argument(help="Id of the completion, as `ossature completions list` shows it.")]


@app.command("list")
@command
def list_(
    model: ModelOption = None,
    metadata: MetadataOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many, newest first.")] = 20,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """List the newest stored completions of the API key's project.

    Example: ossature completions list --metadata task=triage
    """
    from cluster.cli.client import ClusterClient

    query = {**_query(model, metadata), "order": "desc", "limit": str(limit)}
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        page = client.get(COMPLETIONS_PATH, **query)
    if as_json:
        emit_json(page)
        return
    rows = [(each.get("id"), each.get("model"), when(each.get("created")), _pairs(each), _start(each)) for each in page["data"]]
    emit_table(("id", "model", "created", "metadata", "answer"), rows, empty="No completions are stored.")


@app.command()
@command
def get(
    completion_id: IdArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Show a stored completion: the messages of its request, and the answer.

    Example: ossature completions get chatcmpl-0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        path = _path(completion_id)
        completion, messages = client.get(path), client.list(f"{path}/messages")
    if as_json:
        emit_json({**completion, "messages": messages})
        return
    typer.echo(f"{completion['id']}  {completion['model']}  {when(completion['created'])}  {printable(_pairs(completion))}")
    for message in [*messages, *(choice["message"] for choice in completion["choices"])]:
        typer.secho(f"\n{message['role']}", bold=True)
        typer.echo(printable(_text(message)))


@app.command()
@command
def delete(
    completion_id: IdArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Delete a stored completion for good.

    Example: ossature completions delete chatcmpl-0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        deleted = client.delete(_path(completion_id))
    if as_json:
        emit_json(deleted)
    else:
        typer.echo(f"Completion {completion_id} is deleted.")


@app.command()
@command
def export(
    model: ModelOption = None,
    metadata: MetadataOption = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Look at so many completions at most, oldest first.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it; default: standard output.")] = None,
    to_file: Annotated[
        str | None, typer.Option("--to-file", help="Keep it in the cluster, as a file of this name for fine-tuning; prints its id.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON; with --output or --to-file.")] = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Export stored completions as a training file: JSON lines in the chat format of fine-tuning.

    What is left out, and why, is said at the end, on standard error.

    Example: ossature completions export --metadata task=triage -o train.jsonl
    """
    from cluster.cli.client import ClusterClient

    if to_file is not None and output is not None:
        raise CommandError("--output and --to-file exclude each other", exit_code=ExitCode.USAGE)
    if as_json and to_file is None and output is None:
        raise CommandError("--json needs --output or --to-file: standard output has the lines", exit_code=ExitCode.USAGE)
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        if to_file is None:
            query = _query(model, metadata) | ({} if limit is None else {"limit": str(limit)})
            made = summary = _download(client, query, output)
        else:
            body = {"filename": to_file, "metadata": pairs_of(metadata), "model": model, "limit": limit}
            made = client.post(f"{COMPLETIONS_PATH}/export", {name: value for name, value in body.items() if value is not None})
            summary = made["summary"]
    if as_json:
        emit_json(made)
        return
    if to_file is not None:
        typer.echo(made["file"]["id"])
    _say(summary)


def _download(client: Any, query: dict[str, str], output: Path | None) -> dict[str, Any]:
    """Write the lines, and give the summary, which is the last one."""
    from cluster.cli.progress import written

    kept = b""
    with client.download(f"{COMPLETIONS_PATH}/export", include_summary="true", **query) as answer, written(output) as write:
        for piece in answer.iter_bytes():
            # The last line is held back: it may turn out to be the last one of all.
            kept += piece
            end = kept.rfind(b"\n", 0, len(kept) - 1) + 1
            write(kept[:end])
            kept = kept[end:]
        try:
            summary: Any = json.loads(kept)
        except ValueError:
            summary = None
        if not isinstance(summary, dict) or summary.get("object") != _SUMMARY:
            raise CommandError("the export ended too early: its summary is missing", next_step="Try again.")
        return summary


def _say(summary: dict[str, Any]) -> None:
    typer.echo(f"{summary['examples']} examples of {summary['completions']} completions, {summary['bytes']} bytes.", err=True)
    for reason, count in summary["left_out"].items():
        typer.echo(f"Left out: {count} ({printable(reason).replace('_', ' ')})", err=True)
    if summary["further_choices"]:
        typer.echo(f"Only the first answer of each completion is exported: {summary['further_choices']} others are not.", err=True)


def _query(model: str | None, metadata: list[str] | None) -> dict[str, str]:
    query = {f"metadata[{key}]": value for key, value in pairs_of(metadata).items()}
    return query if model is None else {**query, "model": model}


def _path(completion_id: str) -> str:
    return f"{COMPLETIONS_PATH}/{quote(completion_id, safe='')}"


def _pairs(completion: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in (completion.get("metadata") or {}).items())


def _text(message: dict[str, Any]) -> str:
    """What a message says, and the functions that it calls."""
    calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls") or ()]
    return "\n".join([message.get("content") or message.get("refusal") or "", *calls]).strip()


def _start(completion: dict[str, Any]) -> str:
    """The beginning of the answer, on one line."""
    line = " ".join(_text(completion["choices"][0]["message"]).split())
    return line if len(line) <= 60 else f"{line[:59]}…"
