"""How many times slower than asked the fake engine of this process works, for tests that slow one replica down while it runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

FOLDER_VARIABLE = "BENCH_SLOWNESS_FOLDER"
"""A folder in which a file named by a process's id holds its factor. Unset: no engine is slow."""
LOOK_S = 0.2


class Slowness:
    def __init__(self) -> None:
        folder = os.environ.get(FOLDER_VARIABLE)
        self._file = Path(folder, str(os.getpid())) if folder else None
        self._factor = 1
        self._looked_s = 0.0

    @property
    def factor(self) -> int:
        """At least 1; at most ``LOOK_S`` old."""
        if self._file is not None and time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s = time.monotonic()
            self._factor = int(self._file.read_text()) if self._file.exists() else 1
        return self._factor
