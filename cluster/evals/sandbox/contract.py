"""Limits of a sandbox and what can go wrong in one."""

from __future__ import annotations

from dataclasses import dataclass

DETAILS_CHARS = 2000
"""Longest account of a failure that is passed on."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Of one run. ``memory_bytes``: address space. ``wall_s``: from start to verdict, the interpreter's start included.

    ``output_bytes``: what the script may print, on both streams together. ``tmp_bytes``: its own ``/tmp``; ``file_bytes``: one
    file there. ``input_bytes``: source, sample and item as JSON. Threads and child processes: none, whatever the limits.
    """

    memory_bytes: int = 512 << 20
    cpu_s: int = 10
    wall_s: float = 30.0
    output_bytes: int = 64 << 10
    tmp_bytes: int = 32 << 20
    file_bytes: int = 16 << 20
    open_files: int = 64
    input_bytes: int = 8 << 20


class SandboxUnavailable(Exception):
    """This host can't hold untrusted code. The message says why, and what would help."""


class SandboxFailed(Exception):
    """The sandbox itself did not start: a defect of the host, not of the script."""


class ScriptFailed(Exception):
    """The script gave no score. ``kind`` is one of ``KINDS``."""

    def __init__(self, kind: str, details: str) -> None:
        super().__init__(f"{KINDS[kind]}: {details}"[:DETAILS_CHARS] if details else KINDS[kind])
        self.kind = kind


KINDS = {
    "source": "the source can't be loaded",
    "exception": "grade() raised an exception",
    "score": "grade() returned no score",
    "memory": "the script used more memory than it may",
    "cpu": "the script used more processor time than it may",
    "timeout": "the script took longer than it may",
    "output": "the script printed more than it may",
    "input": "source, sample and item are larger than a script may be given",
    "crash": "the script ended its process",
}
"""What each kind of failure means."""
