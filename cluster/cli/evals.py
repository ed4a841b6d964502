"""``ossature evals``: create evals, run them, read and compare what came out."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.eval_running import EvalsClient, follow, run_source
from cluster.cli.eval_screen import comparison_rows, report_lines, run_row
from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, emit_table, printable, when
from cluster.cli.pairs import pairs_of
from cluster.cli.target import BaseUrlOption, EndpointsOption, find_target

app = typer.Typer(no_args_is_help=True, help="Evals: create, run, report, compare.")

EVALS_PATH = "/v1/evals"

EvalArgument = Annotated[str, typer.Argument(help="Id of the eval, as `ossature evals list` shows it.")]
RunArgument = Annotated[str, typer.Argument(help="Id of the run, as `ossature evals runs` shows it.")]


class ReportFormat(StrEnum):
    TEXT = "text"
    JSONL = "jsonl"
    CSV = "csv"


@app.command("list")
@command
def list_(as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None) -> None:
    """List the evals of the API key's project, oldest first.

    Example: ossature evals list
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        evals = client.list(EVALS_PATH)
    if as_json:
        emit_json({"object": "list", "data": evals})
        return
    rows = [(each["id"], each["name"], len(each["testing_criteria"]), when(each["created_at"])) for each in evals]
    emit_table(("id", "name", "criteria", "created"), rows, empty="There are no evals.")


@app.command()
@command
def create(
    definition: Annotated[
        Path, typer.Argument(help="JSON file: the body of POST /v1/evals (data_source_config, testing_criteria, name).")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Instead of the name in the file.")] = None,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Create an eval; prints its id.

    Example: ossature evals create triage.eval.json
    """
    from cluster.cli.client import ClusterClient

    body = read_object(definition)
    if name is not None:
        body["name"] = name
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        made = client.post(EVALS_PATH, body)
    emit_json(made) if as_json else typer.echo(made["id"])


@app.command()
@command
def runs(
    eval_id: EvalArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """List an eval's runs, oldest first.

    Example: ossature evals runs eval_0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        found = client.list(f"{eval_path(eval_id)}/runs")
    if as_json:
        emit_json({"object": "list", "data": found})
        return
    columns = ("id", "name", "model", "status", "passed", "failed", "errors", "created")
    emit_table(columns, [run_row(each) for each in found], empty="The eval has no runs.")


@app.command()
@command
def run(
    eval_id: EvalArgument,
    model: Annotated[
        str | None, typer.Option("--model", help="The model to ask; without one, answers that exist are graded.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", help="Items: a JSON Lines file here, which is uploaded, or the id of one in the cluster."),
    ] = None,
    stored: Annotated[bool, typer.Option("--stored", help="Items: stored completions.")] = False,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="Only stored completions with KEY=VALUE; may be given several times.")
    ] = None,
    stored_model: Annotated[str | None, typer.Option("--stored-model", help="Only stored completions of this model.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="The newest so many stored completions.")] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="What to ask: a text with {{item.…}} in it, sent as the user's message.")
    ] = None,
    messages: Annotated[
        Path | None, typer.Option("--messages", help="What to ask: a JSON file with a list of messages, with {{item.…}} in them.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--item-reference", help="What to ask: where it stands in the item, such as item.input.")
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Default: 1.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Default: 42.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end. Ctrl-C leaves it running.")] = True,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Run an eval, with a bar that shows how far it is.

    Its id goes to standard output, the rest to standard error. The exit code is 1 for a run that failed or was cancelled, whatever
    its items did.

    Example: ossature evals run eval_0123456789abcdef --model student --file items.jsonl --prompt '{{item.question}}'
    """
    from cluster.cli.client import ClusterClient

    prompts = {"prompt": prompt, "messages": read_list(messages) if messages is not None else None, "reference": reference}
    sampling = {"temperature": temperature, "max_completion_tokens": max_tokens, "seed": seed}
    wanted = {"metadata": pairs_of(metadata), "model": stored_model, "limit": limit}
    if not stored and any(wanted.values()):
        raise CommandError("--metadata, --stored-model and --limit go with --stored", exit_code=ExitCode.USAGE)
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        evals = EvalsClient(client, eval_path(eval_id))
        source = run_source(evals, file=file, stored=wanted if stored else None, model=model, prompts=prompts, sampling=sampling)
        started = evals.start(source, name)
        if not as_json:
            typer.echo(started["id"])
        ended = follow(evals, started) if wait else started
        if as_json:
            emit_json(ended)
        if not wait:
            return
        if not as_json:
            for line in report_lines(evals.report(started["id"])):
                typer.echo(line, err=True)
    if ended["status"] != "completed":
        why = printable(ended["error"]["message"]) or "it was cancelled"
        raise CommandError(f"the run is {ended['status']}: {why}")


@app.command()
@command
def report(
    eval_id: EvalArgument,
    run_id: RunArgument,
    form: Annotated[
        ReportFormat, typer.Option("--format", help="A summary (text) or every item (jsonl, csv).")
    ] = ReportFormat.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it; default: standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON, with everything that it has.")] = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """What came out of a run: pass rates with 95 % intervals, or all items.

    Example: ossature evals report eval_0123456789abcdef evalrun_0123456789abcdef --format csv -o run.csv
    """
    from cluster.cli.client import ClusterClient
    from cluster.cli.progress import written

    if as_json and form is not ReportFormat.TEXT:
        raise CommandError("--json and --format exclude each other", exit_code=ExitCode.USAGE)
    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        evals = EvalsClient(client, eval_path(eval_id))
        if form in (ReportFormat.JSONL, ReportFormat.CSV):
            with client.download(f"{evals.run_path(run_id)}/report", format=str(form)) as answer, written(output) as write:
                for piece in answer.iter_bytes():
                    write(piece)
            return
        summary = evals.report(run_id)
        text = json.dumps(summary, indent=2) if as_json else "\n".join(report_lines(summary))
        with written(output) as write:
            write(f"{text}\n".encode())


@app.command()
@command
def compare(
    eval_id: EvalArgument,
    baseline: Annotated[str, typer.Argument(help="Id of the run that is compared with: what was before.")],
    run_id: RunArgument,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Compare two runs over the items that both have: the difference with its 95 % interval.

    Example: ossature evals compare eval_0123456789abcdef evalrun_before evalrun_after
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        evals = EvalsClient(client, eval_path(eval_id))
        compared = client.get(f"{evals.run_path(run_id)}/comparison", baseline=baseline)
    if as_json:
        emit_json(compared)
        return
    columns = ("what", "items", "before", "after", "difference", "95 % interval", "better", "worse", "p", "differs")
    emit_table(columns, comparison_rows(compared), empty="No item was graded in both runs.")
    items = compared["items"]
    left_out = items["only_baseline"] + items["only_run"]
    typer.echo(f"{items['paired']} items in both runs; {left_out} in one alone; {items['errored']} with errors left out.", err=True)


@app.command()
@command
def cancel(
    eval_id: EvalArgument,
    run_id: RunArgument,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Cancel a run. What it has done stays.

    Example: ossature evals cancel eval_0123456789abcdef evalrun_0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        answer = client.post(f"{EvalsClient(client, eval_path(eval_id)).run_path(run_id)}/cancel", {})
    emit_json(answer) if as_json else typer.echo(f"Run {run_id} is {answer['status'].replace('_', ' ')}.")


@app.command()
@command
def delete(
    eval_id: EvalArgument, as_json: JsonFlag = False, endpoints: EndpointsOption = None, base_url: BaseUrlOption = None
) -> None:
    """Delete an eval with its runs, for good.

    Example: ossature evals delete eval_0123456789abcdef
    """
    from cluster.cli.client import ClusterClient

    with ClusterClient(find_target(endpoints, base_url), admin=False) as client:
        answer = client.delete(eval_path(eval_id))
    emit_json(answer) if as_json else typer.echo(f"Eval {eval_id} is deleted.")


def eval_path(eval_id: str) -> str:
    return f"{EVALS_PATH}/{quote(eval_id, safe='')}"


def read_object(path: Path) -> dict[str, Any]:
    """Raises :class:`CommandError` for what is no JSON object."""
    value = _read(path)
    if not isinstance(value, dict):
        raise CommandError(f"{path} holds no JSON object", exit_code=ExitCode.USAGE)
    return value


def read_list(path: Path) -> list[Any]:
    """Raises :class:`CommandError` for what is no JSON array."""
    value = _read(path)
    if not isinstance(value, list):
        raise CommandError(f"{path} holds no JSON array", exit_code=ExitCode.USAGE)
    return value


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", exit_code=ExitCode.USAGE) from error
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}", exit_code=ExitCode.USAGE) from error
