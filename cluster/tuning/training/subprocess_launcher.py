"""Runs as plain processes of this machine: for laptops and tests, one worker each.

A process outlives whoever started it; who starts the same run again finds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.tuning.training import events
from cluster.tuning.training.errors import RunIsActive, UnsupportedModel
from cluster.tuning.training.spec import TrainSpec

_SPEC = "spec.json"
_PROCESS = "process.json"
_LOG = "training.log"
_ENTRY = "cluster.tuning.training.job"
_END_S = 20.0


@dataclass(frozen=True, slots=True)
class SubprocessRun:
    """``started_ticks`` tells the process from a later one of the same number."""

    output_dir: Path
    pid: int
    started_ticks: int | None

    def is_running(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.started_ticks is not None and _ticks(self.pid) == self.started_ticks

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if not self.is_running():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait(_END_S)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended before ``timeout_s`` are over."""
        deadline_s = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
        return True


class SubprocessLauncher:
    """Starts ``python -m cluster.tuning.training.job``. ``environment`` is added to this process's own."""

    def __init__(self, python: str = sys.executable, environment: Mapping[str, str] | None = None) -> None:
        self._python = python
        self._environment = dict(environment or {})

    def start(self, spec: TrainSpec) -> SubprocessRun:
        """Start a run, or find it running.

        Raises:
            UnsupportedModel: the spec asks for several workers.
            RunIsActive: a process trains it that was started in another way.
            OSError: no process could be started.
        """
        if spec.workers > 1:
            raise UnsupportedModel("a plain process trains with one worker")
        spec.output_dir.mkdir(parents=True, exist_ok=True)
        found = _recorded(spec.output_dir)
        if found is not None and found.is_running():
            return found
        if events.is_active(spec.output_dir):
            raise RunIsActive(f"another process trains {spec.job_id}")
        spec.save(spec.output_dir / _SPEC)
        with (spec.output_dir / _LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (a fixed command)
                [self._python, "-m", _ENTRY, str(spec.output_dir / _SPEC)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(spec.cpu_threads), **self._environment},
                start_new_session=True,
            )
        run = SubprocessRun(spec.output_dir, process.pid, _ticks(process.pid))
        fresh = spec.output_dir / f".{_PROCESS}"
        fresh.write_text(json.dumps({"pid": run.pid, "started_ticks": run.started_ticks}))
        os.replace(fresh, spec.output_dir / _PROCESS)
        # This process may live for long and doesn't wait for it here: `is_running` does.
        process.returncode = 0
        return run


def _recorded(output_dir: Path) -> SubprocessRun | None:
    try:
        found = json.loads((output_dir / _PROCESS).read_text())
    except FileNotFoundError:
        return None
    return SubprocessRun(output_dir, found["pid"], found["started_ticks"])


def _ticks(pid: int) -> int | None:
    """When a process began, in the kernel's ticks since boot; ``None`` if it is no more, whoever is to fetch its exit code."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may have spaces in it.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
