"""The operating-system processes of a run, found by the mark that each inherits."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

RUN_VARIABLE = "OSSATURE_RUN"


def of_run(run_id: str) -> list[int]:
    """Ids of all processes but this one whose environment carries the run's mark."""
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0") and not _is_zombie(entry):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def end_all(run_id: str, grace_s: float = 5.0) -> list[int]:
    """Ask what is left of a run to end, then make it. Returns the ids of those that had to be killed."""
    for pid in of_run(run_id):
        _send(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (left := of_run(run_id)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        _send(pid, signal.SIGKILL)
    return left


def kill_titled(run_id: str, beginning: str) -> list[int]:
    """Kill those of a run whose command line, or the title that they gave themselves, begins so. Returns their ids."""
    killed = []
    for pid in of_run(run_id):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if title.startswith(beginning.encode()):
            _send(pid, signal.SIGKILL)
            killed.append(pid)
    return killed


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
