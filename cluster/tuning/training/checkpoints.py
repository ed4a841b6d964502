"""A run's checkpoints: which are whole, which to resume from, which to keep.

``output_dir/checkpoints/checkpoint-<step>/`` holds the weights that are trained, the optimizer, the schedule, the random numbers'
state and the tokenizer. One that a killed process began has no ``complete.json`` and counts for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = "checkpoints"
_PREFIX = "checkpoint-"
_MARK = "complete.json"
KEPT_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    step: int
    epoch: float
    epoch_end: bool
    path: Path


def folder(output_dir: Path) -> Path:
    return output_dir / FOLDER


def path_of(output_dir: Path, step: int) -> Path:
    return folder(output_dir) / f"{_PREFIX}{step}"


def complete(output_dir: Path, step: int, *, epoch: float, epoch_end: bool) -> Checkpoint:
    """Say that the checkpoint of ``step`` is whole; durable once this returns.

    Raises:
        OSError: it can't be written.
    """
    path = path_of(output_dir, step)
    for file in path.iterdir():
        if file.is_file():
            _sync(file)
    fresh = path / f".{_MARK}"
    fresh.write_text(json.dumps({"step": step, "epoch": epoch, "epoch_end": epoch_end}) + "\n")
    _sync(fresh)
    os.rename(fresh, path / _MARK)
    _sync(path)
    return Checkpoint(step, epoch, epoch_end, path)


def whole(output_dir: Path) -> list[Checkpoint]:
    """All whole checkpoints, by step."""
    found = []
    for path in folder(output_dir).glob(f"{_PREFIX}*"):
        try:
            mark = json.loads((path / _MARK).read_text())
        except FileNotFoundError:
            continue
        found.append(Checkpoint(mark["step"], mark["epoch"], mark["epoch_end"], path))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def latest(output_dir: Path) -> Checkpoint | None:
    """Where to resume from."""
    return next(reversed(whole(output_dir)), None)


def prune(output_dir: Path) -> None:
    """Keep the last three epochs' and the newest; remove the others, and what killed processes left."""
    found = whole(output_dir)
    kept = {checkpoint.path for checkpoint in [c for c in found if c.epoch_end][-KEPT_EPOCHS:] + found[-1:]}
    for path in folder(output_dir).glob(f"{_PREFIX}*"):
        if path in kept:
            continue
        # Without its mark first: half removed, it must not look whole.
        (path / _MARK).unlink(missing_ok=True)
        shutil.rmtree(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
