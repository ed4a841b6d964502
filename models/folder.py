"""A generated model folder: made beside its place, moved there whole, and left alone while its stamp still holds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STAMP = "ossature.json"


def is_current(folder: Path, stamp: dict[str, Any]) -> bool:
    """Whether ``folder`` was made from ``stamp`` and still has every file, at its size."""
    try:
        found = json.loads((folder / STAMP).read_text())
        return bool(found["stamp"] == stamp) and all(
            (folder / name).stat().st_size == size_bytes for name, size_bytes in found["files"].items()
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def make(folder: Path, stamp: dict[str, Any], fill: Callable[[Path], None], *, force: bool = False) -> bool:
    """Fill ``folder`` unless it is current; return whether anything was done.

    ``fill`` writes into a temporary folder beside the target, which then takes the target's place. Whoever has files of the
    replaced folder open keeps them. Two processes that make the same folder wait for each other.

    Raises:
        OSError: the folder can't be written.
    """
    if not force and is_current(folder, stamp):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not force and is_current(folder, stamp):
            return False
        fresh, replaced = (folder.with_name(f".{folder.name}.{part}") for part in ("fresh", "replaced"))
        for leftover in (fresh, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir()
        try:
            fill(fresh)
            sizes = {path.name: path.stat().st_size for path in sorted(fresh.iterdir())}
            (fresh / STAMP).write_text(json.dumps({"stamp": stamp, "files": sizes}, indent=1) + "\n")
            # A folder that has content can't be renamed over, so the old one steps aside first.
            if folder.exists():
                os.rename(folder, replaced)
            os.rename(fresh, folder)
        finally:
            for leftover in (fresh, replaced):
                shutil.rmtree(leftover, ignore_errors=True)
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
