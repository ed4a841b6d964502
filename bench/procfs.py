"""Processor time of a program, over all of its processes, from ``/proc``.

A program is started with a mark in its environment, which its children inherit, also those that leave its process group or lose
their parent (Ray's workers, HAProxy). The kernel counts in ticks of 10 ms: measure long enough that one does not matter.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "BENCH_ROW"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")

Classify = Callable[[str], str]
"""From a process's title (its command line) to the group that its time is counted in."""


@dataclass(frozen=True, slots=True)
class ProcessTime:
    """User and system time of one process so far, of all its threads."""

    group: str
    cpu_s: float


#: Keyed by process id and start time, so that a reused id is a new process.
Snapshot = Mapping[tuple[int, int], ProcessTime]


def parse_stat(text: str) -> tuple[int, float]:
    """Start time (ticks since boot) and processor time in seconds, from the text of ``/proc/PID/stat``.

    The process's name may hold spaces and brackets, so fields are counted from the last bracket on.
    """
    fields = text.rpartition(")")[2].split()
    return int(fields[19]), (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def family(root: int, mark: str, proc: Path = _PROC) -> set[int]:
    """Ids of the process ``root``, of all that carry the mark, and of all their descendants.

    Both ways are needed: some programs write their title over their environment, others' children lose their parent.
    """
    children: defaultdict[int, list[int]] = defaultdict(list)
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            pid = int(entry.name)
            children[_parent((entry / "stat").read_text())].append(pid)
            if pid == root or wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or of another user
    members: set[int] = set()
    while found:
        pid = found.pop()
        if pid not in members:
            members.add(pid)
            found += children[pid]
    return members


def _parent(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[1])


def title(pid: int, proc: Path = _PROC) -> str:
    """The command line, or the title that the process has given itself."""
    return (proc / str(pid) / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace").strip()


def snapshot(pids: Iterable[int], classify: Classify, proc: Path = _PROC) -> Snapshot:
    """Processor time so far of each of these processes."""
    times: dict[tuple[int, int], ProcessTime] = {}
    for pid in pids:
        try:
            started, cpu_s = parse_stat((proc / str(pid) / "stat").read_text())
            times[pid, started] = ProcessTime(classify(title(pid, proc)), cpu_s)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return times


def used(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Seconds used between two snapshots, by group. One that ended in between is lost, one that came counts in full."""
    groups: defaultdict[str, float] = defaultdict(float)
    for key, process in after.items():
        earlier = before.get(key)
        groups[process.group] += process.cpu_s - (earlier.cpu_s if earlier is not None else 0.0)
    return dict(groups)
