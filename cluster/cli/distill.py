"""``ossature distill``: a student learns from its teacher, and a report says what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.output import CommandError, ExitCode, JsonFlag, command, emit_json, printable
from cluster.cli.target import BaseUrlOption, EndpointsOption, Target, find_target

if TYPE_CHECKING:  # they are slow to import, which every command would wait for
    from cluster.distilling.plan import Items, Plan
    from cluster.distilling.report import Prices
    from cluster.distilling.state import State

_AGAIN = "The same command again, or `ossature distill --resume`, goes on from here."


@command
def distill(
    teacher: Annotated[str | None, typer.Option("--teacher", help="The model that is learned from.")] = None,
    student: Annotated[str | None, typer.Option("--student", help="The model that learns: one that can be tuned.")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="What is learned: a filter of the teacher's stored completions (metadata.KEY=VALUE, several joined by commas; "
            "model=TEACHER alone: all of them), a training file here, or the id of one in the cluster.",
        ),
    ] = None,
    eval_id: Annotated[str | None, typer.Option("--eval", help="Id of the eval that tells whether it worked.")] = None,
    suffix: Annotated[str | None, typer.Option("--suffix", help="Becomes a part of the tuned model's name.")] = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", help="Id of an eval that must not get worse; may be given several times.")
    ] = None,
    items: Annotated[
        str | None,
        typer.Option("--items", help="The eval's items: a file here, or an id; unset: those of its newest completed run."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="With --items, what is asked: a text with {{item.…}} in it.")
    ] = None,
    messages: Annotated[
        Path | None, typer.Option("--messages", help="With --items, what is asked: a JSON file with a list of messages.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--item-reference", help="With --items, what is asked: where it stands in the item.")
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Of what is asked here; a run's items come with their own.")
    ] = 0.0,
    epochs: Annotated[int | None, typer.Option("--epochs", help="1 to 50; unset: chosen by the number of examples.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="1 to 256; unset: chosen.")] = None,
    learning_rate_multiplier: Annotated[
        float | None, typer.Option("--learning-rate-multiplier", help="Times the model's usual rate; unset: chosen.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="For the same training again; unset: by chance.")] = None,
    price_teacher: Annotated[
        str | None, typer.Option("--price-teacher", help="IN/OUT per million tokens, such as 0.5/1.5; may be given later.")
    ] = None,
    price_student: Annotated[str | None, typer.Option("--price-student", help="The same of the student, before and after.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Folder for the report; default: beside the state.")] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="Where to write how far it is; default: below the user's state folder.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with that of --state, else with the newest that has not come to its end.")
    ] = False,
    as_json: JsonFlag = False,
    endpoints: EndpointsOption = None,
    base_url: BaseUrlOption = None,
) -> None:
    """Distil a teacher into a student: store, baseline, tune, eval, publish.

    Prints the tuned model's name; progress and the report's files go to standard error. When it breaks off at any step, the same
    command again goes on from there.

    Example: ossature distill --teacher large --student small --from metadata.task=triage --eval eval_0123 --suffix triage
    """
    from cluster.distilling.plan import Plan, parse_source
    from cluster.distilling.report import Prices, build_report
    from cluster.distilling.report_files import write_report
    from cluster.distilling.state import default_folder, locked

    with _translated():
        target = find_target(endpoints, base_url)
        prices = _prices(price_teacher, price_student)
        asked = {"--teacher": teacher, "--student": student, "--from": source, "--eval": eval_id, "--suffix": suffix}
        if resume:
            if given := [name for name, value in asked.items() if value is not None]:
                raise CommandError(f"--resume takes its options from the state: leave out {given[0]}", exit_code=ExitCode.USAGE)
            plan, path = None, state or _newest_unfinished(default_folder(os.environ))
        else:
            if missing := [name for name, value in asked.items() if value is None]:
                raise CommandError(f"missing: {', '.join(missing)}", exit_code=ExitCode.USAGE)
            tuned = {"n_epochs": epochs, "batch_size": batch_size, "learning_rate_multiplier": learning_rate_multiplier}
            plan = Plan(
                address=target.base_url,
                teacher=str(teacher),
                student=str(student),
                source=parse_source(str(source), str(teacher)),
                eval_id=str(eval_id),
                suffix=str(suffix),
                also=tuple(also or ()),
                items=_items(items, {"prompt": prompt, "messages": messages, "reference": reference}),
                temperature=temperature,
                hyperparameters={name: value for name, value in tuned.items() if value is not None},
                seed=seed,
            )
            path = state or default_folder(os.environ) / f"{plan.suffix}-{plan.fingerprint}.json"
        with locked(path):
            current = _state(path, plan, target)
            _run(current, target, as_json=as_json)
            made = build_report(current, Prices(*_remembered(current, prices)))
            folder = report or current.beside("report")
            try:
                files = write_report(folder, made)
            except OSError as error:
                raise CommandError(f"the report can't be written to {folder}: {error.strerror}", next_step=_AGAIN) from error
    _show(made, files, as_json=as_json)


# --- parts of the above ---------------------------------------------------------------------------------------------------


def _run(state: State, target: Target, *, as_json: bool) -> None:
    from cluster.cli.client import ClusterClient
    from cluster.cli.distill_cluster import PatientCluster
    from cluster.cli.distill_screen import Screen
    from cluster.distilling.distillation import Distillation

    try:
        with ClusterClient(target, admin=False) as client, Screen(quiet=as_json) as screen:
            if state.finished:
                screen.say(f"{state.id} has come to its end; remove {state.path} to begin again.")
            Distillation(PatientCluster(client), state, screen).run()
    except CommandError as error:
        raise CommandError(
            error.message, next_step=f"{error.next_step or ''}\n{_AGAIN}".strip(), exit_code=error.exit_code, status=error.status
        ) from error
    except KeyboardInterrupt:
        raise CommandError(
            "interrupted: what was started in the cluster goes on", next_step=_AGAIN, exit_code=ExitCode.INTERRUPTED
        ) from None


def _state(path: Path, plan: Plan | None, target: Target) -> State:
    from cluster.distilling.state import State

    found = State.load(path)
    if found is None:
        if plan is None:
            raise CommandError(f"there is no {path}", exit_code=ExitCode.USAGE)
        return State.begin(path, plan)
    if plan is not None and found.plan.fingerprint != plan.fingerprint:
        raise CommandError(
            f"{path} is of a distillation with other options",
            next_step="Name another file by --state, or leave it out.",
            exit_code=ExitCode.USAGE,
        )
    if found.plan.address != target.base_url:
        raise CommandError(
            f"the distillation of {path} is on {found.plan.address}, not on {target.base_url}",
            next_step="Name its cluster by --base-url or --endpoints.",
            exit_code=ExitCode.USAGE,
        )
    return found


def _newest_unfinished(folder: Path) -> Path:
    from cluster.distilling.state import unfinished

    found = unfinished(folder)
    if not found:
        raise CommandError(f"there is nothing to go on with in {folder}", exit_code=ExitCode.USAGE)
    return found[-1]


def _prices(teacher: str | None, student: str | None) -> Prices:
    from cluster.distilling.plan import parse_price
    from cluster.distilling.report import Prices

    return Prices(
        None if teacher is None else parse_price(teacher, "--price-teacher"),
        None if student is None else parse_price(student, "--price-student"),
    )


def _remembered(state: State, given: Prices) -> tuple[Any, Any]:
    """Prices that were given once hold until others are."""
    from cluster.distilling.plan import Price

    known = state.outputs.get("prices", {})
    prices = {
        name: price or (Price(**known[name]) if known.get(name) else None)
        for name, price in (("teacher", given.teacher), ("student", given.student))
    }
    state.record(
        prices={name: price and {"prompt": price.prompt, "completion": price.completion} for name, price in prices.items()}
    )
    return prices["teacher"], prices["student"]


def _items(given: str | None, asked: dict[str, Any]) -> Items | None:
    from cluster.cli.evals import read_list
    from cluster.distilling.plan import Items, Refused, Source, local_file

    chosen = {name: value for name, value in asked.items() if value is not None}
    if given is None:
        if chosen:
            raise Refused("--items", "it is missing: what is asked goes with it.")
        return None
    if len(chosen) != 1:
        raise Refused("--items", "it needs one of --prompt, --messages and --item-reference.")
    match chosen:
        case {"prompt": text}:
            said: dict[str, Any] = {"type": "template", "template": [{"role": "user", "content": text}]}
        case {"messages": path}:
            said = {"type": "template", "template": read_list(path)}
        case _:
            said = {"type": "item_reference", "item_reference": chosen["reference"]}
    here = Path(given)
    source = Source(file_id=given) if given.startswith("file-") and not here.exists() else local_file(here, "--items")
    return Items(source, said)


@contextmanager
def _translated() -> Iterator[None]:
    from cluster.distilling.plan import DistillationFailed, Refused

    try:
        yield
    except Refused as error:
        raise CommandError(printable(str(error)), exit_code=ExitCode.USAGE) from error
    except DistillationFailed as error:
        code = f" ({printable(error.code)})" if error.code else ""
        raise CommandError(f"{printable(error.message)}{code}", next_step=_AGAIN) from error


def _show(report: dict[str, Any], files: list[Path], *, as_json: bool) -> None:
    from cluster.distilling import wording

    if as_json:
        emit_json(report)
        return
    for line in (wording.headline(report), *wording.remarks(report), *([wording.cost_sentence(report)])):
        if line:
            typer.echo(printable(line), err=True)
    typer.echo("\n".join(f"{path}" for path in files), err=True)
    typer.echo(printable(report["model"]))
