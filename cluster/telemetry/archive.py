"""Keeps the counters of processes that have ended, in one file, so that nothing goes backward and the folder stays small.

Folding a dead process's files is safe against a crash at any line:

1. each file is moved to ``folding/`` under a name that is never used again; it still counts as a file there,
2. the archive with their values added, and with their names, is written aside and renamed over the old one: this commits,
3. the files are deleted. Whatever the archive names is ignored and deleted when it is met again.

On a full disk 2 fails. Then the files stay where they are, and are read there by each collection until there is room.

Gauges are the present state of a process: those of dead ones are dropped. All functions run under the folder's lock.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cluster.telemetry.multiprocess import ARCHIVE_FILE, FOLDING_FOLDER
from cluster.telemetry.reserved_files import DISK_FULL
from cluster.telemetry.valuefiles import COUNTER, GAUGE, FileName, Series, SeriesTable, ValueFile

logger = logging.getLogger(__name__)

_SEPARATOR = "~"  # between the unique part and the former name; in neither


class _Stored(msgspec.Struct):
    """The archive on disk. ``values``: kind, key of prometheus_client, sum. ``folded``: files whose values are in it."""

    values: list[tuple[str, str, float]] = []
    folded: list[str] = []
    processes: int = 0


class Archive:
    """Sums over all ended processes of the node. ``processes`` counts them, ``damage`` lists unreadable files met while folding."""

    def __init__(self, directory: Path, table: SeriesTable) -> None:
        self._directory = directory
        self._path = directory / ARCHIVE_FILE
        self._folding = directory / FOLDING_FOLDER
        self._table = table
        self._stamp: tuple[int, int, int] | None = None
        self._folded: frozenset[str] = frozenset()
        self._archived: dict[Series, float] = {}
        self._archived_processes = 0
        self._no_room = False
        self.values: dict[Series, float] = {}
        self.processes = 0
        self.damage: list[str] = []

    def refresh(self) -> None:
        """Load the archive if another exporter wrote it, and finish what a crash or a full disk has left in ``folding/``."""
        # Not only when it is needed, since the disk may be full by then.
        self._folding.mkdir(exist_ok=True, mode=0o700)
        if self._read_stamp() != self._stamp:
            self._load()
        if any(self._folding.glob("*")):
            self._fold_moved()

    def fold(self, files: Iterable[ValueFile]) -> None:
        """Move the files of dead processes aside, then take their values over."""
        for file in files:
            file.path.rename(self._folding / f"{uuid.uuid4().hex}{_SEPARATOR}{file.path.name}")
        self._fold_moved()

    def _fold_moved(self) -> None:
        folded: list[Path] = []
        processes = self._archived_processes
        sums = dict(self._archived)
        self.damage = []
        for path in sorted(self._folding.iterdir()):
            if path.name in self._folded:
                path.unlink()
                continue
            name = FileName.parse(path.name.partition(_SEPARATOR)[2])
            if name is None or self._give_back(path, name):
                continue
            folded.append(path)
            if name.kind == GAUGE:
                continue
            # One such file a process; its others may have come after the folder was listed and follow with the next fold.
            processes += name.kind == COUNTER
            file = ValueFile(path, name)
            for series, value in file.read(self._table):
                sums[series] = sums.get(series, 0.0) + value
            if file.damage is not None:
                self.damage.append(file.damage)
        if folded:
            self._commit(sums, folded, processes)

    def _give_back(self, path: Path, name: FileName) -> bool:
        """Undo the move if the file turns out to be in use: a new process with the same id had opened it before the move.

        Only possible for owners without a start time. A new process that came later has made a file of its own by now, which must
        not be replaced: then the moved one is really the dead process's.
        """
        original = self._directory / path.name.partition(_SEPARATOR)[2]
        if original.exists() and path.samefile(original):  # a crash came between the two lines at the end
            path.unlink()
            return True
        if name.owner.started is not None or not name.owner.alive():
            return False
        try:
            os.link(path, original)
        except FileExistsError:
            return False
        path.unlink()
        return True

    def _commit(self, sums: dict[Series, float], folded: list[Path], processes: int) -> None:
        stored = _Stored([(s.kind, s.key, value) for s, value in sums.items()], [path.name for path in folded], processes)
        aside = self._path.with_name(f"{ARCHIVE_FILE}.new")
        try:
            # Not synced to disk: after a power cut the cluster starts anew, and so does this folder.
            aside.write_bytes(msgspec.json.encode(stored))
            aside.replace(self._path)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            self._wait_for_room(sums, processes)
            return
        self._no_room = False
        self._archived, self._archived_processes, self._folded = sums, processes, frozenset(stored.folded)
        self.values, self.processes = sums, processes
        self._stamp = self._read_stamp()
        for path in folded:
            path.unlink()

    def _wait_for_room(self, sums: dict[Series, float], processes: int) -> None:
        if not self._no_room:
            self._no_room = True
            logger.error("no room on the disk of %s: what ended processes have counted is kept in their files", self._path)
        self.values, self.processes = sums, processes

    def _load(self) -> None:
        self._stamp = self._read_stamp()
        stored = _Stored() if self._stamp is None else msgspec.json.decode(self._path.read_bytes(), type=_Stored)
        self._archived = {self._table.get(kind, "", key): value for kind, key, value in stored.values}
        self._archived_processes, self._folded = stored.processes, frozenset(stored.folded)
        self.values, self.processes = self._archived, self._archived_processes

    def _read_stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever the archive does: a rename brings another inode, or another time and size."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
