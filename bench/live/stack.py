"""What a row of the table is: a program in front of workers, started and ended by the harness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench import procfs
from bench.load import Target
from bench.programs import Program

ROUTER = "router"
"""Everything that stands between the client and the process that holds the engine."""
FRONT_END = "front end"
"""The process that holds the engine: what it does to take requests and hand tokens on."""
CORE = "engine core"
"""Computing tokens. Counted apart and compared with nothing."""
BACKGROUND = "background"
"""Control plane: runs whether there are requests or not."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started row. ``programs``: what its requests pass through, each with what sorts its processes into the groups above.

    ``own``: the program that was started for this row alone, if there is one.
    """

    target: Target
    model: str
    version: str
    programs: Sequence[tuple[Program, procfs.Classify]]
    own: Program | None = None

    def snapshot(self) -> procfs.Snapshot:
        times: dict[tuple[int, int], procfs.ProcessTime] = {}
        for program, classify in self.programs:
            times |= procfs.snapshot(program.processes(), classify)
        return times

    def stop(self) -> None:
        if self.own is not None:
            self.own.stop()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers that all rows share: one program, its URLs, and what sorts its processes."""

    program: Program
    urls: Sequence[str]
    classify: procfs.Classify


class Stack(Protocol):
    """How to start one row. ``name`` is what ``--only`` takes; ``peer``: whether it is one to be compared with."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def peer(self) -> bool: ...

    def start(self, fleet: Fleet) -> Running:
        """Start it in front of the workers. Raises :class:`~bench.programs.Unavailable`."""
        ...
