"""Which cluster runs from a data folder: one at a time, told by a lock that its process holds and a record beside it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_LOCK = "serve.lock"
_RECORD = "serve.json"
_LOOK_S = 0.5
_NOT_TOLD = "a cluster is starting already, or a backup is being restored,"


class AlreadyRunning(Exception):
    """Another process serves from this data folder."""

    def __init__(self, record: RunRecord | None) -> None:
        super().__init__(f"a cluster is running already (process {record.pid})" if record else _NOT_TOLD)
        self.record = record


@dataclass(frozen=True, slots=True)
class RunRecord:
    """``run_id`` marks every process of the run (environment variable ``OSSATURE_RUN``); ``started_unix_s``: seconds."""

    pid: int
    run_id: str
    started_unix_s: float


def running(data_dir: Path) -> RunRecord | None:
    """The run that holds the folder's lock, if any. Raises ``OSError`` for a folder that this user may not enter."""
    try:
        descriptor = os.open(data_dir / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that two processes that look at the same moment don't take each other for a running cluster.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(data_dir)
    else:
        return None
    finally:
        os.close(descriptor)


@contextmanager
def kept_stopped(data_dir: Path) -> Iterator[None]:
    """No cluster starts from the folder inside the block. Raises :class:`AlreadyRunning`."""
    descriptor = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor):
            raise AlreadyRunning(_read(data_dir))
        yield
    finally:
        os.close(descriptor)


class RunLock:
    """Held while a cluster runs. The kernel lets go of it however the process ends, so that it never goes stale."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    def acquire(self, record: RunRecord) -> RunRecord | None:
        """Take the folder. Returns the record of an earlier run that did not end in order. Raises :class:`AlreadyRunning`."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _taken(descriptor):
            os.close(descriptor)
            raise AlreadyRunning(_read(self._data_dir))
        self._descriptor = descriptor
        interrupted = _read(self._data_dir)
        (self._data_dir / _RECORD).write_text(json.dumps(asdict(record)))
        return interrupted

    def release(self) -> None:
        if self._descriptor is not None:
            (self._data_dir / _RECORD).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def _taken(descriptor: int) -> bool:
    """Take the lock. Whoever looks whether a cluster runs holds it for an instant too, which is waited out."""
    deadline = time.monotonic() + _LOOK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S / 10)
        else:
            return True


def _read(data_dir: Path) -> RunRecord | None:
    try:
        return RunRecord(**json.loads((data_dir / _RECORD).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
