"""A distillation as people watch it: on standard error, with bars on a terminal and few lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

import typer

from cluster.cli.eval_screen import bar
from cluster.cli.output import printable
from cluster.distilling.distillation import STEPS

_OVER: Final = ("completed", "failed", "canceled")

Show = Callable[[Mapping[str, Any]], None]


class Screen:
    """Use as a context manager, so that no bar is left open."""

    def __init__(self, *, quiet: bool = False) -> None:
        """``quiet``: no lines, so that standard error has an error alone; bars are for terminals only anyway."""
        self._quiet = quiet
        self._bars = ExitStack()
        self._label: str | None = None
        self._show: Show | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def step(self, name: str, text: str) -> None:
        self._close()
        if self._quiet:
            return
        typer.secho(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name}: ", err=True, bold=True, nl=False)
        typer.echo(text, err=True)

    def say(self, text: str) -> None:
        self._close()
        if not self._quiet:
            typer.echo(printable(text), err=True)

    def asked(self, done: int, total: int) -> None:
        status = "completed" if done == total else "in_progress"
        # A bar is that of a run, whose counts are of graded items: answers have none.
        self._bar("teacher's answers")(
            {
                "status": status,
                "progress": {"done": done, "total": total},
                "result_counts": {"passed": 0, "failed": 0, "errored": 0},
            }
        )
        if done == total:
            self.say(f"{done} answers of the teacher")

    def run(self, label: str, run: Mapping[str, Any]) -> None:
        self._bar(label)(run)
        if run["status"] in _OVER:
            counts = run["result_counts"]
            self.say(
                f"{label}: {run['status']}, {counts['passed']} passed, {counts['failed']} failed, {counts['errored']} with errors"
            )

    def event(self, event: Mapping[str, Any]) -> None:
        self.say(f"  {event['message']}")

    def _bar(self, label: str) -> Show:
        if self._show is None or self._label != label:
            self._close()
            self._label, self._show = label, self._bars.enter_context(bar(label))
        return self._show

    def _close(self) -> None:
        self._label = self._show = None
        self._bars.close()
