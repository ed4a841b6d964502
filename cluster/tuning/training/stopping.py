"""Asking a run to stop, whoever has started it and wherever it runs: by a file that it looks for after each step."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

_FILE = "stop"


class Reason(StrEnum):
    """A paused run leaves a checkpoint of its last step and may be started again; a cancelled one leaves what it has."""

    PAUSE = "pause"
    CANCEL = "cancel"


def request(output_dir: Path, reason: Reason) -> None:
    """Ask the run to stop after the step that it is in. A run that doesn't run yet stops before its first step."""
    output_dir.mkdir(parents=True, exist_ok=True)
    fresh = output_dir / f".{_FILE}"
    fresh.write_text(reason)
    fresh.rename(output_dir / _FILE)


def requested(output_dir: Path) -> Reason | None:
    try:
        return Reason((output_dir / _FILE).read_text())
    except FileNotFoundError:
        return None


def withdraw(output_dir: Path) -> None:
    """Let the run go on when it is started next."""
    (output_dir / _FILE).unlink(missing_ok=True)
