from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from cluster.telemetry.multiprocess import start_ticks


class Writer:
    """Writes value files exactly as prometheus_client does, under any process's name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def counter(self, owner: str, value: float, name: str = "t_events", **labels: str) -> Path:
        path = self.directory / f"counter_{owner}.db"
        self._set(path, name, f"{name}_total", labels, value)
        return path

    def gauge(self, owner: str, mode: str, value: float, name: str = "t_level", **labels: str) -> Path:
        path = self.directory / f"gauge_{mode}_{owner}.db"
        self._set(path, name, name, labels, value)
        return path

    def histogram(self, owner: str, counts: dict[str, float], total: float, name: str = "t_seconds", **labels: str) -> Path:
        path = self.directory / f"histogram_{owner}.db"
        self._set(path, name, f"{name}_sum", labels, total)
        for bound, count in counts.items():
            self._set(path, name, f"{name}_bucket", {**labels, "le": bound}, count)
        return path

    def _set(self, path: Path, family: str, sample: str, labels: dict[str, str], value: float) -> None:
        values = MmapedDict(str(path))
        values.write_value(mmap_key(family, sample, [*labels], [*labels.values()], "Help."), value, time.time())
        values.close()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


@pytest.fixture
def me() -> str:
    """Name of this process, which lives."""
    return f"{os.getpid()}-{start_ticks(os.getpid())}"


@pytest.fixture
def reused() -> str:
    """Name of a process whose id belongs to another one by now: ours."""
    return f"{os.getpid()}-1"


DEAD = "4194400-77"  # beyond the largest process id of Linux
DEAD_WITHOUT_START = "4194401"
