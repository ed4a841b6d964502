"""A disk that a test may fill: a tmpfs of its own."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_STEP_BYTES = 64 << 10


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """An empty disk of this size, mounted at ``folder`` and gone afterwards. Skips the test for users who may not mount."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        # Lazily: the processes that end may hold files of it for a moment.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is left on it, for as long as the body lasts."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for step_bytes in (_STEP_BYTES, 1):
                _fill(file.write, bytes(step_bytes))
        yield
    finally:
        ballast.unlink()


def _fill(write: Callable[[bytes], int], step: bytes) -> None:
    try:
        while True:
            write(step)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
