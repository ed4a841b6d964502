"""Train the tiny models: ``python -m models.tuning_demo.make --out .models``. A minute or two of one core, once."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from models import folder
from models.tuning_demo import text, vision

DEFAULT_OUT = Path(".models")
TEACHER, STUDENT, SEEING = "tuning-teacher", "tuning-student", "tuning-vision"
# Raise when the same settings would give other weights.
_VERSION = 2

_MODELS: dict[str, tuple[Callable[..., float], int]] = {
    TEACHER: (text.fill_teacher, text.TEACHER_STEPS),
    STUDENT: (text.fill_student, text.STUDENT_STEPS),
    SEEING: (vision.fill, vision.STEPS),
}


def make(name: str, out: Path = DEFAULT_OUT, *, force: bool = False, log: Callable[[int, float], None] | None = None) -> Path:
    """The folder of a model, trained if it isn't there or was made in another way.

    Raises:
        KeyError: there is no such model.
        OSError: the folder can't be written.
    """
    fill, steps = _MODELS[name]

    def write(target: Path) -> None:
        fill(target, steps=steps, log=log)

    folder.make(out / name, {"version": _VERSION, "steps": steps}, write, force=force)
    return out / name


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.tuning_demo.make", description="Train the tiny models for tuning.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to put the models' folders in (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="train even if a folder is up to date")
    options = parser.parse_args(argv)

    def log(step: int, loss: float) -> None:
        print(f"    step {step}: loss {loss:.4f}", file=sys.stderr, flush=True)

    for number, name in enumerate(_MODELS, start=1):
        started_s = time.process_time()
        print(f"[{number}/{len(_MODELS)}] {options.out / name}", file=sys.stderr, flush=True)
        make(name, options.out, force=options.force, log=log)
        print(f"    {time.process_time() - started_s:.1f} s of processor time", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
