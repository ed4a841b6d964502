"""How the processes of a node share metrics: one folder of files that prometheus_client maps into memory, named by their owner.

prometheus_client names the files by process id alone, and process ids are used again. :func:`install` adds the process's start
time, which makes the name unique for as long as the machine runs: only so can a file's owner be known to be dead for good.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import values

from cluster.telemetry.reserved_files import ReservedFile

ENVIRONMENT_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
ARCHIVE_FILE = "archive.json"
FOLDING_FOLDER = "folding"
_LOCK_FILE = "lock"


def directory_from_environment() -> Path | None:
    """The node's metrics folder, or ``None`` outside multi-process mode."""
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(value) if value else None


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; ``None`` when there is no such process or only its remains (a zombie).

    Field 22 of ``/proc/<pid>/stat`` (proc_pid_stat(5)).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before it may hold spaces and parentheses
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that writes a file. ``started`` is unknown for files of processes that did not :func:`install`."""

    pid: int
    started: int | None

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """From ``<pid>`` or ``<pid>-<start ticks>``; ``None`` for anything else."""
        pid, dash, started = text.partition("-")
        if not pid.isdecimal() or (dash and not started.isdecimal()):
            return None
        return cls(int(pid), int(started) if dash else None)

    def alive(self) -> bool:
        """Whether the process may still write. With ``started`` unknown, any process of this id counts."""
        ticks = start_ticks(self.pid)
        return ticks is not None and self.started in (None, ticks)


class ProcessIdentifier:
    """``<pid>-<start ticks>`` of the calling process; prometheus_client asks on every update, so it is kept until a fork."""

    def __init__(self) -> None:
        self._identifier = ""
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> str:
        if not self._identifier:
            pid = os.getpid()
            self._identifier = f"{pid}-{start_ticks(pid)}"
        return self._identifier

    def _forget(self) -> None:
        self._identifier = ""


def install() -> None:
    """Make every metric created from now on in this process, whoever's, live in files with our unambiguous name.

    Does nothing outside multi-process mode. Idempotent. Call it before an engine creates its own metrics.
    """
    directory = directory_from_environment()
    if directory is None or getattr(values.ValueClass, "ossature", False):
        return
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    values.MmapedDict = ReservedFile  # type: ignore[attr-defined]
    value_class = values.MultiProcessValue(ProcessIdentifier())  # type: ignore[no-untyped-call]
    value_class.ossature = True
    values.ValueClass = value_class


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the folder's lock: folding, reading everything and emptying exclude each other. Writers never take it."""
    descriptor = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
