"""Is there room, and may it be written to, where the cluster keeps things?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.runtime.doctor.finding import Finding, Reporter, gib

LEAST_FREE_BYTES = 1 << 30
LITTLE_FREE_FRACTION = 0.05
RAY_FULL_FRACTION = 0.95
"""Ray stops to put objects on a disk that is fuller than this."""

Usage = Callable[[Path], "tuple[int, int, int]"]
"""Total, used and free bytes of the file system that a path is on."""


@dataclass(frozen=True, slots=True)
class Place:
    path: Path
    setting: str


def places(config: ClusterConfig, cache: Path) -> tuple[list[Place], str | None]:
    """Folders that are written to, and the address of an object store that is none."""
    found = [Place(config.data_dir, "data_dir"), Place(cache, "HF_HOME"), Place(Path("/tmp"), "TMPDIR")]  # noqa: S108 - Ray's own
    url = config.files.storage_url
    if url is None:
        return [*found, Place(config.data_dir / "files", "files.storage_url")], None
    if "://" in url and not url.startswith("file://"):
        return found, url
    return [*found, Place(Path(url.removeprefix("file://")), "files.storage_url")], None


class DiskSpace(Reporter):
    """Of the data folder, the cache of models, the object store, and Ray's folder for the session."""

    name: ClassVar[str] = "disk"

    def __init__(self, config: ClusterConfig, cache: Path, usage: Usage = shutil.disk_usage) -> None:
        self._places, self._remote = places(config, cache)
        self._usage = usage

    async def findings(self) -> Sequence[Finding]:
        found = [self._place(place) for place in self._places]
        if self._remote is not None:
            scheme = self._remote.partition("://")[0]
            found.append(self.unknown("files.storage_url", f"the room of a store at {scheme}:// can't be seen from here"))
        return found

    def _place(self, place: Place) -> Finding:
        subject = f"{place.setting} ({place.path})"
        try:
            folder = _nearest(place.path)
            is_folder = folder.is_dir()
        except OSError as error:
            return self.unknown(subject, f"it can't be looked at ({error.strerror})", "Run this as the user that serves.")
        if not is_folder:
            return self.problem(subject, f"{folder} is in the way: it is no folder", f"Move it, or set {place.setting}.")
        try:
            total, _, free = self._usage(folder)
        except OSError as error:
            return self.unknown(subject, f"the file system doesn't tell ({error.strerror})")
        if not os.access(folder, os.W_OK | os.X_OK):
            owner = folder.stat().st_uid
            return self.problem(
                subject,
                f"user {os.geteuid()} may not write to {folder}, which belongs to user {owner}",
                f"Give the folder to the user that serves, or set {place.setting}.",
            )
        step = "Make room: old checkpoints, models in the cache, files that nobody needs; or use a larger disk."
        if free < LEAST_FREE_BYTES:
            return self.problem(subject, f"{gib(free)} of {gib(total)} free", step)
        if free < LITTLE_FREE_FRACTION * total:
            note = f"{gib(free)} of {gib(total)} free; Ray calls a disk full at {RAY_FULL_FRACTION:.0%}"
            return self.warning(subject, note, step)
        return self.ok(subject, f"{gib(free)} of {gib(total)} free")


def _nearest(path: Path) -> Path:
    """The folder itself, or the one above in which it would be made."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
