"""What commands print and how they end: tables or JSON on standard output, problems on standard error, one exit code each."""

from __future__ import annotations

import functools
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Annotated, Any, NoReturn, ParamSpec

import typer

from cluster.config.problems import ConfigError

P = ParamSpec("P")

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


class ExitCode(IntEnum):
    """How a command ended; listed in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


class CommandError(Exception):
    """A command can't do what was asked: the cause in ``message``, and in ``next_step`` what the user can do about it.

    ``status``: of the HTTP answer that says so, if it was one.
    """

    def __init__(
        self, message: str, *, next_step: str | None = None, exit_code: ExitCode = ExitCode.FAILED, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.next_step = next_step
        self.exit_code = exit_code


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Decorator of every command: ends it with a readable error and its exit code instead of a traceback."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            function(*args, **kwargs)
        except CommandError as error:
            fail(error, as_json=as_json)
        except ConfigError as error:
            fail(refused_configuration(error), as_json=as_json)
        except KeyboardInterrupt:
            fail(CommandError("interrupted", exit_code=ExitCode.INTERRUPTED), as_json=as_json)

    return run


def fail(error: CommandError, *, as_json: bool) -> NoReturn:
    """Write the error to standard error and end with its code."""
    if as_json:
        body = {"message": error.message, "next_step": error.next_step, "exit_code": int(error.exit_code)}
        typer.echo(json.dumps({"error": body}, ensure_ascii=False), err=True)
    else:
        typer.secho(f"Error: {error.message}", err=True, fg=typer.colors.RED)
        if error.next_step:
            typer.echo(error.next_step, err=True)
    raise typer.Exit(int(error.exit_code))


def emit_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table as wide as its content needs; ``empty`` is said when there are no rows."""
    cells = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    if not cells:
        typer.echo(empty)
        return
    widths = [max(len(row[index]) for row in [list(columns), *cells]) for index in range(len(columns))]
    for number, row in enumerate([[column.upper() for column in columns], *cells]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        typer.secho(line, bold=True) if number == 0 else typer.echo(line)


def printable(text: str) -> str:
    """Text from elsewhere without what steers a terminal (cursor, title, colours) or reorders what is read (bidi overrides)."""
    return "".join(char for char in text if char in "\n\t" or not (char in _BIDI or unicodedata.category(char) in ("Cc", "Cs")))


def note(text: str) -> None:
    """A word on progress, on standard error, and only to people."""
    if sys.stderr.isatty():
        typer.secho(text, err=True, dim=True)


def when(unix_s: object) -> str | None:
    """Unix seconds as ``2026-01-31 09:30`` in local time."""
    from datetime import UTC, datetime

    if not isinstance(unix_s, int | float):
        return None
    return datetime.fromtimestamp(unix_s, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def refused_configuration(error: ConfigError) -> CommandError:
    """The problems of a configuration, one a line."""
    lines = "\n".join(f"  {printable(str(problem))}" for problem in error.problems)
    return CommandError(
        f"the configuration is refused:\n{lines}",
        next_step="Every setting is described in docs/configuration.md; `ossature config check` tries again.",
        exit_code=ExitCode.USAGE,
    )
