"""The files of a backup into the folder that they are for. Blocking; methods raise ``OSError``.

The folder itself stays, since it may be a mount: what is in it is exchanged, by renames within its own file system.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from cluster.runtime.backup.archive import flush_folder

# No object's key has a dot.
_DRAFT = "restoring.d"
_ASIDE, _ASIDE_END = "replaced-", ".d"


def brought(source: Path, folder: Path) -> Path:
    """``source`` inside ``folder``, under a name that no object has: what takes room and time, before anything is replaced."""
    source.mkdir(mode=0o700, exist_ok=True)  # an empty one, when there were no files
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / _DRAFT
    if draft.exists():
        shutil.rmtree(draft)
    try:
        shutil.move(source, draft)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)  # a part of it, where the disk is full
        raise
    return draft


def exchange(draft: Path) -> None:
    """Put what was brought in the place of what is there, which stays in a folder ``replaced-<time>.d`` beside it."""
    folder = draft.parent
    former = [each for each in folder.iterdir() if each != draft and not _is_aside(each.name)]
    if former:
        aside = folder / f"{_ASIDE}{time.time_ns() // 1_000_000}{_ASIDE_END}"
        aside.mkdir(mode=0o700)
        for each in former:
            each.rename(aside / each.name)
    for each in draft.iterdir():
        each.rename(folder / each.name)
    draft.rmdir()
    flush_folder(folder)


def _is_aside(name: str) -> bool:
    return name.startswith(_ASIDE) and name.endswith(_ASIDE_END)
