"""A lock file that several measurements on one machine agree on, so that they do not measure each other."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType


class Exclusive:
    """Holds the lock while it is entered. ``pause`` lets others in once it has been held for ``hold_s`` seconds.

    Without a path it does nothing.
    """

    def __init__(self, path: Path | None, hold_s: float) -> None:
        self._path = path
        self._hold_s = hold_s
        self._descriptor: int | None = None
        self._since_s = 0.0

    def __enter__(self) -> Exclusive:
        if self._path is not None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            # Programs that are started meanwhile must not hold it on.
            os.set_inheritable(self._descriptor, False)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._since_s = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def pause(self) -> None:
        """Between two measurements: give the lock away and take it again, if it has been held for long enough."""
        if self._descriptor is not None and time.monotonic() - self._since_s >= self._hold_s:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            time.sleep(1.0)  # for those who wait to find it free
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._since_s = time.monotonic()
