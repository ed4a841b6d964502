"""Memory, shared memory and open files of this machine, or of the container that this process is in."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from cluster.config.schema import ClusterConfig
from cluster.runtime.doctor.finding import Finding, Reporter, gib

PLATFORM_BYTES = 1 << 30
"""What Ray, Serve and one gateway take before any model is loaded: 0.87 GiB measured, rounded up."""
CPU_WEIGHTS_FACTOR = 1.2
"""Weights of a model on the processor, and what it needs beside them at least."""
FEWEST_FILES = 4_096
"""A gateway holds a thousand requests, with a connection each and others to replicas and the database."""
ENOUGH_FILES = 65_536
"""What Ray recommends for its own processes."""


class Memory(Reporter):
    """``weights_bytes``: of all replicas on processors, from the model folders; ``None`` when that isn't known."""

    name: ClassVar[str] = "memory"

    def __init__(self, config: ClusterConfig, weights_bytes: int | None, root: Path = Path("/")) -> None:
        self._config = config
        self._weights_bytes = weights_bytes
        self._root = root

    async def findings(self) -> Sequence[Finding]:
        return [self._memory(), self._shared_memory()]

    def _memory(self) -> Finding:
        subject = "main memory"
        available = available_bytes(self._root)
        if available is None:
            return self.unknown(subject, "/proc/meminfo can't be read here")
        needed = PLATFORM_BYTES + self._config.ray.object_store_memory_bytes
        if available < needed:
            return self.problem(
                subject,
                f"{gib(available)} available; the cluster takes {gib(needed)} before any model is loaded",
                "End other programs, or raise the memory limit of the container.",
            )
        if self._weights_bytes is None:
            return self.ok(subject, f"{gib(available)} available; what the models take isn't known here")
        needed += int(self._weights_bytes * CPU_WEIGHTS_FACTOR)
        if available < needed:
            return self.problem(
                subject,
                f"{gib(available)} available; the cluster and the models on processors take at least {gib(needed)}",
                "Serve fewer replicas or a smaller model, or more of it on GPUs.",
            )
        return self.ok(subject, f"{gib(available)} available, at least {gib(needed)} needed")

    def _shared_memory(self) -> Finding:
        subject = "shared memory"
        try:
            status = os.statvfs(self._root / "dev/shm")
        except OSError as error:
            return self.unknown(subject, f"it can't be looked at ({error.strerror}); Ray then keeps its objects in /tmp")
        free = status.f_bavail * status.f_frsize
        wanted = self._config.ray.object_store_memory_bytes
        parallel = [model.id for model in self._config.models if model.world_size > 1 and model.placement.gpus_per_worker > 0]
        if parallel:
            wanted += 1 << 30
        if free < wanted:
            cause = f" and {', '.join(parallel)} needs some between its workers" if parallel else ""
            return self.warning(
                subject,
                f"{gib(free)} free in /dev/shm; Ray's object store takes {gib(self._config.ray.object_store_memory_bytes)}{cause}",
                f"Give the container at least {gib(wanted)} (docker: --shm-size; Kubernetes: an emptyDir of medium Memory).",
            )
        return self.ok(subject, f"{gib(free)} free in /dev/shm, {gib(wanted)} needed")


class OpenFiles(Reporter):
    """How many files and connections one process may have."""

    name: ClassVar[str] = "open files"

    def __init__(self, limits: Callable[[], tuple[int, int]] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)) -> None:
        self._limits = limits

    async def findings(self) -> Sequence[Finding]:
        subject = "limit"
        try:
            soft, hard = self._limits()
        except OSError as error:
            return [self.unknown(subject, f"the limit can't be read ({error.strerror})")]
        # Ray raises its processes' soft limit to the hard one.
        if hard == resource.RLIM_INFINITY or hard >= ENOUGH_FILES:
            return [self.ok(subject, f"{_files(soft)}, may be raised to {_files(hard)}")]
        step = f"Raise it: `ulimit -Hn {ENOUGH_FILES}` as root, LimitNOFILE= in a systemd unit, --ulimit nofile= in docker."
        if hard < FEWEST_FILES:
            return [self.problem(subject, f"a process may open {hard} files; a busy gateway needs {FEWEST_FILES}", step)]
        return [self.warning(subject, f"a process may open {hard} files; Ray recommends {ENOUGH_FILES}", step)]


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that can still be taken: what the kernel says is available, or the rest of the container's limit if that is less."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    group = root / "sys/fs/cgroup"
    try:
        limit, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return available
    return available if limit == "max" else min(available, max(0, int(limit) - used))


def _files(number: int) -> str:
    return "no limit" if number == resource.RLIM_INFINITY else str(number)
