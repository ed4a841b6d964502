"""Starting runs somewhere and following them: what every launcher offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cluster.tuning.training import events
from cluster.tuning.training.spec import TrainSpec


class Run(Protocol):
    """A run that was started, by this process or by one before it."""

    @property
    def output_dir(self) -> Path: ...

    def is_running(self) -> bool:
        """Whether its processes live. Between the death of one and the start of the next it is still running."""
        ...

    def kill(self) -> None:
        """End its processes now. To stop in good order, see :mod:`cluster.tuning.training.stopping`."""
        ...


class Launcher(Protocol):
    """Starts training processes. None of its methods may be called on an event loop: they start processes and wait for them."""

    def start(self, spec: TrainSpec) -> Run:
        """Start a run, or find the one of the same ``output_dir`` that is running.

        Raises:
            TrainingError: it can't be started here.
        """
        ...


def news(run: Run, *, after_seq: int = 0) -> Iterator[events.Event]:
    """What a run has said since event ``after_seq``; a caller that keeps the last number misses nothing and sees nothing twice."""
    yield from events.read(run.output_dir, after_seq=after_seq)


def ending(run: Run) -> events.Event | None:
    """How a run has ended: its last event; ``None`` if it is running, or died without a word and is to be started again."""
    if run.is_running():
        return None
    said = events.read(run.output_dir)
    return said[-1] if said and said[-1].kind in events.ENDS else None
