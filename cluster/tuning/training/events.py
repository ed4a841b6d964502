"""What a run says, in a file of JSON lines that outlives whoever reads it.

One process at a time writes (a lock that ends with it), any number read. A line has ``seq`` (from 1, without gaps), ``at`` (Unix
time in seconds), ``kind`` and fields of its kind:

==============  ================================================================================================================
``started``     once for each process that trains: ``pid``, ``host``, ``total_steps``, ``resumed_from_step``, rows, resolved
                hyperparameters, ``estimate``
``step``        ``step``, ``epoch``, ``train_loss``, ``train_mean_token_accuracy``, ``learning_rate``, ``tokens``
``validation``  ``step``, ``epoch``, ``valid_loss``, ``valid_mean_token_accuracy``
``checkpoint``  ``step``, ``epoch``, ``path``, ``epoch_end``
``finished``    ``step``, ``adapter``, ``parity`` (file of scores, if any), ``seconds``: the last line of a run that came to its end
``stopped``     ``step``, ``reason``: it was asked to (pause, cancel)
``failed``      ``code``, ``message``, ``may_retry``
==============  ================================================================================================================

A process that resumes from a checkpoint trains some steps again: what was said of them already is not said twice. And a checkpoint
counts only once all lines before it are on the disk, so that no step can be missing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cluster.tuning.training.errors import RunIsActive

FILE = "events.jsonl"
_PATIENCE_S = 3.0
#: Kinds of which each step has one.
_ONCE_A_STEP = frozenset({"step", "validation", "checkpoint"})
#: Kinds after which a run has nothing more to say, unless it is started again.
ENDS = frozenset({"finished", "stopped", "failed"})


@dataclass(frozen=True, slots=True)
class Event:
    seq: int
    at_s: float
    kind: str
    fields: Mapping[str, Any]


class EventLog:
    """The writing end."""

    def __init__(self, output_dir: Path) -> None:
        """Open the log of a run, behind what earlier processes have written.

        Raises:
            RunIsActive: another process has it open.
            OSError: it can't be written.
        """
        output_dir.mkdir(parents=True, exist_ok=True)
        self._file = os.open(output_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _lock(self._file, output_dir)
            events, length_bytes = _parse((output_dir / FILE).read_bytes())
            # The end of a line that a killed process began.
            os.ftruncate(self._file, length_bytes)
        except BaseException:
            os.close(self._file)
            raise
        self._seq = len(events)
        self._said: dict[str, int] = {}
        for event in events:
            if event.kind in _ONCE_A_STEP:
                self._said[event.kind] = max(self._said.get(event.kind, -1), event.fields["step"])
        self.last = events[-1] if events else None

    def write(self, kind: str, **fields: Any) -> Event | None:
        """Append an event and return it; ``None`` if this run has said the same of this step before.

        Raises:
            OSError: the disk is full, or gone.
        """
        if kind in _ONCE_A_STEP:
            if fields["step"] <= self._said.get(kind, -1):
                return None
            self._said[kind] = fields["step"]
        event = Event(self._seq + 1, time.time(), kind, fields)
        line = json.dumps({"seq": event.seq, "at": event.at_s, "kind": kind, **fields}, allow_nan=False)
        _write_all(self._file, line.encode() + b"\n")
        self._seq += 1
        self.last = event
        if kind not in ("step", "validation"):
            self.sync()
        return event

    def sync(self) -> None:
        """Return once every line is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read(output_dir: Path, *, after_seq: int = 0) -> list[Event]:
    """Events of a run beyond ``after_seq``; none if it hasn't begun. A line that is still being written is left for later."""
    try:
        content = (output_dir / FILE).read_bytes()
    except FileNotFoundError:
        return []
    return [event for event in _parse(content)[0] if event.seq > after_seq]


def is_active(output_dir: Path) -> bool:
    """Whether a process has the run's log open for writing. Only as true as the locks of its file system."""
    try:
        file = os.open(output_dir / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _parse(content: bytes) -> tuple[list[Event], int]:
    """Events of the whole lines of ``content``, and the bytes that those take."""
    length_bytes = content.rfind(b"\n") + 1
    events = []
    for line in content[:length_bytes].splitlines():
        fields = json.loads(line)
        events.append(Event(fields.pop("seq"), fields.pop("at"), fields.pop("kind"), fields))
    return events, length_bytes


def _lock(file: int, output_dir: Path) -> None:
    # A reader that asks whether the run is active holds the lock for an instant; a killed process, until its last thread is gone.
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline_s:
                raise RunIsActive(f"another process trains {output_dir.name}") from error
            time.sleep(0.01)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
