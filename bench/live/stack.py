"""What a row of the table is: a program in front of workers, started and ended by the harness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """A started row. ``classify`` sorts the program's processes into the groups above."""

    target: Target
    program: Program
    classify: procfs.Classify
    model: str
    version: str = ""
    #: The process that made the tokens for this row, where it is not one of the program's own.
    workers: Program | None = field(default=None)

    def snapshot(self) -> procfs.Snapshot:
        own = procfs.snapshot(self.program.mark, self.classify)
        if self.workers is None:
            return own
        return {**own, **procfs.snapshot(self.workers.mark, lambda _: FRONT_END)}

    def stop(self) -> None:
        self.program.stop()


class Stack(Protocol):
    """How to start one row. ``name`` is what ``--only`` takes; ``peer``: whether it is one to be compared with."""

    name: str
    title: str
    peer: bool

    def start(self, workers: Sequence[str], fleet: Program) -> Running:
        """Start it in front of the workers' URLs (``fleet`` is their program). Raises :class:`~bench.programs.Unavailable`."""
        ...
