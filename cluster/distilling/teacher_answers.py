"""Asks the teacher for the answers that a file lacks. Each is written down as it comes, and never asked for again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path
from typing import Any, Final

from cluster.completions.training_example import LeftOut
from cluster.distilling.examples import completed

CONCURRENCY: Final = 8
_QUEUED: Final = 4 * CONCURRENCY
"""Questions that are read from the file ahead of those under way: a file may be larger than memory."""

Ask = Callable[[dict[str, Any]], dict[str, Any]]


class Journal:
    """One line a question: the example that it became, or why it became none. Read again by whoever goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[int, int] = {}
        self.left_out: Counter[str] = Counter()
        self._read()

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, number: int, outcome: dict[str, Any] | LeftOut) -> None:
        entry = {"n": number, **({"left_out": str(outcome)} if isinstance(outcome, LeftOut) else {"example": outcome})}
        with self._path.open("ab") as file:
            place = file.tell()
            file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        self._note(entry, place)

    def example(self, number: int) -> dict[str, Any] | None:
        """``None``: it was left out."""
        with self._path.open("rb") as file:
            file.seek(self._places[number])
            example: dict[str, Any] | None = json.loads(file.readline()).get("example")
            return example

    def _read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            place = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._note(json.loads(line), place)
                place += len(line)
            file.truncate(place)  # a line that was cut short by the end of its process is asked for again

    def _note(self, entry: dict[str, Any], place: int) -> None:
        self._places[entry["n"]] = place
        if "left_out" in entry:
            self.left_out[entry["left_out"]] += 1


def ask_teacher(
    questions: Iterator[tuple[int, dict[str, Any]]], journal: Journal, ask: Ask, progress: Callable[[int], None]
) -> None:
    """Until the journal has all of them. ``progress`` gets how many it has. Raises what ``ask`` raises."""
    waiting: dict[Future[dict[str, Any]], tuple[int, dict[str, Any]]] = {}

    def take(some: set[Future[dict[str, Any]]]) -> None:
        failure: BaseException | None = None
        for future in some:
            number, asked = waiting.pop(future)
            failure = future.exception() or failure
            if future.exception() is None:
                journal.add(number, completed(asked, future.result()))
        progress(len(journal))
        if failure is not None:
            raise failure

    pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="teacher")
    try:
        for number, asked in questions:
            if number in journal:
                continue
            waiting[pool.submit(ask, asked)] = (number, asked)
            if len(waiting) >= _QUEUED:
                take(wait_for(waiting, return_when="FIRST_COMPLETED").done)
        while waiting:
            take(wait_for(waiting, return_when="FIRST_COMPLETED").done)
    finally:
        # Not waited for: after a Ctrl-C, answers may take minutes. They break off when the client is closed.
        pool.shutdown(wait=False, cancel_futures=True)
