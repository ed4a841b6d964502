"""What ``/proc`` tells of a run's processes, which may end while one looks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from cluster.runtime import processes


def command_line(pid: int) -> bytes:
    """Arguments, each ended by a zero byte; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def ancestors(pid: int) -> Iterator[int]:
    """Parent, grandparent and so on; none for a process that is gone."""
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        pid = int(stat.rpartition(")")[2].split()[1])
        yield pid


def engine_replicas(run_id: str, model: str) -> list[int]:
    """The Ray actors that serve the model."""
    name = f"ray::ServeReplica:ossature:engine:{model}".encode()
    return [pid for pid in processes.of_run(run_id) if command_line(pid).startswith(name)]


def engine_cores(run_id: str) -> set[int]:
    """The processes in which engines compute, of all models."""
    return {pid for pid in processes.of_run(run_id) if b"EngineCore" in command_line(pid)}


def busiest(pids: list[int], over_s: float = 1.0) -> int:
    """The one of these processes that computes most, with its children. One of two replicas may have all requests."""

    def used_s(pid: int) -> float:
        root = psutil.Process(pid)
        times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    before_s = {pid: used_s(pid) for pid in pids}
    time.sleep(over_s)
    return max(pids, key=lambda pid: used_s(pid) - before_s[pid])


def ray_session(run_id: str) -> Path:
    """The folder of the run's own Ray, which its processes are told when they start."""
    folders = {
        match[1].decode()
        for pid in processes.of_run(run_id)
        for argument in command_line(pid).split(b"\0")
        if (match := re.fullmatch(rb"--session[-_]dir=(.+)", argument))
    }
    assert len(folders) == 1, f"session folders of the run: {sorted(folders)}"
    return Path(folders.pop())
