"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli import (
    audit,
    backup,
    chat,
    completions,
    configuration,
    distill,
    doctor,
    evals,
    files,
    fine_tuning,
    keys,
    models,
    organizations,
    projects,
    replay,
    secret,
    serve,
    status,
    talk,
)

app = typer.Typer(
    name="ossature",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A self-hosted serving cluster for open-weight models. Exit codes and variables: docs/cli.md.",
)
app.command("serve")(serve.serve)
app.command("status")(status.status)
app.command("stop")(serve.stop)
app.command("doctor")(doctor.doctor)
app.add_typer(organizations.app, name="org")
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="key")
app.add_typer(models.app, name="model")
app.add_typer(audit.app, name="audit")
app.command("chat")(chat.chat)
app.command("talk")(talk.talk_command)
app.add_typer(completions.app, name="completions")
app.add_typer(files.app, name="files")
app.add_typer(evals.app, name="evals")
app.add_typer(fine_tuning.app, name="fine-tune")
app.add_typer(backup.app, name="backup")
app.add_typer(secret.app, name="secret")
app.command("distill")(distill.distill)
app.add_typer(configuration.app, name="config")
app.command("replay")(replay.replay)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ossature {version('ossature')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options before the command."""


def run() -> None:
    app()
