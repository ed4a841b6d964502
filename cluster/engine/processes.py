"""The processes of an engine, watched and ended by id, independently of what the engine itself notices."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PROC = Path("/proc")
DEAD_STATES = frozenset("ZXx")


class EngineProcessDied(RuntimeError):
    """A process of the engine is gone."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told apart from a later one with the same number by its start time (clock ticks since boot)."""

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class ProcessState:
    id: ProcessId
    parent_pid: int
    state: str


class EngineProcesses:
    """Empty until :meth:`adopt` is called. Only Linux tells about the children of children; elsewhere only children count."""

    def __init__(self) -> None:
        self._children: list[BaseProcess] = []
        self._descendants: list[ProcessId] = []

    def adopt(self, children: Iterable[BaseProcess]) -> None:
        """Watch these children of this process, and the workers they have started."""
        self._children = list(children)
        pids = {child.pid for child in self._children if child.pid is not None}
        self._descendants = [found.id for found in descendants(pids)]

    def check(self) -> None:
        """Raises :class:`EngineProcessDied` when one of them has ended."""
        for child in self._children:
            if not child.is_alive():
                raise EngineProcessDied(f"{child.name} (pid {child.pid}) has ended with {child.exitcode}")
        for process in self._descendants:
            state = read_state(process.pid)
            if state is None or state.id != process or state.state in DEAD_STATES:
                raise EngineProcessDied(f"a worker (pid {process.pid}) has ended")

    def kill(self) -> None:
        """SIGKILL whatever of them is still alive. Idempotent."""
        for process in self._descendants:
            state = read_state(process.pid)
            if state is not None and state.id == process:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        for child in self._children:
            if child.is_alive():
                child.kill()
        self._children, self._descendants = [], []


def read_state(pid: int) -> ProcessState | None:
    """State of a process from ``/proc/<pid>/stat`` (proc(5): 3 state, 4 ppid, 22 starttime); ``None`` when there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return ProcessState(ProcessId(pid, int(fields[19])), parent_pid=int(fields[1]), state=fields[0])


def descendants(roots: set[int]) -> list[ProcessState]:
    """The worker processes below these: direct children that multiprocessing spawned, and theirs.

    Helpers that come and go (compilers, resource trackers) are left out: their end means nothing.
    """
    states = [state for entry in PROC.glob("[0-9]*") if (state := read_state(int(entry.name))) is not None]
    found: list[ProcessState] = []
    parents = set(roots)
    while parents:
        level = [state for state in states if state.parent_pid in parents and _is_worker(state.id.pid)]
        found += level
        parents = {state.id.pid for state in level}
    return found


def _is_worker(pid: int) -> bool:
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in command or command.startswith(b"VLLM::")
