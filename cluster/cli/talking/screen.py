"""Both sides of the conversation, as they come."""

from __future__ import annotations

import typer

from cluster.cli.output import printable


class Transcript:
    """Lines on standard output: ``you: …`` and ``model: …``. Control characters are not passed on."""

    def __init__(self) -> None:
        self._answering = False

    def said(self, text: str) -> None:
        self._end_line()
        typer.secho("you: ", nl=False, dim=True)
        typer.echo(printable(text))

    def answers(self, text: str) -> None:
        if not self._answering:
            self._answering = True
            typer.secho("model: ", nl=False, dim=True)
        typer.echo(printable(text), nl=False)

    def answered(self, *, interrupted: bool) -> None:
        if self._answering and interrupted:
            typer.secho(" … (interrupted)", nl=False, dim=True)
        self._end_line()

    def problem(self, text: str) -> None:
        self._end_line()
        typer.secho(f"Problem: {printable(text)}", err=True, fg=typer.colors.RED)

    def _end_line(self) -> None:
        if self._answering:
            self._answering = False
            typer.echo()


class Silent:
    """Shows nothing but problems: standard output is for JSON."""

    def said(self, text: str) -> None: ...

    def answers(self, text: str) -> None: ...

    def answered(self, *, interrupted: bool) -> None: ...

    def problem(self, text: str) -> None:
        typer.secho(f"Problem: {printable(text)}", err=True, fg=typer.colors.RED)
