"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli import chat, configuration, keys, models, organizations, projects, replay, serve, status

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
app.add_typer(organizations.app, name="org")
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="key")
app.add_typer(models.app, name="model")
app.command("chat")(chat.chat)
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
