"""One case: load, a fault, the time until all is well again, and what the clients saw of it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.programs import ROOT
from tests.chaos.cluster import MODEL, ChaosCluster, until
from tests.chaos.driver import Driver
from tests.chaos.load import Attempt, End, Mix, Request

FIGURES = Path(os.environ.get("CHAOS_FIGURES", ROOT / ".bench" / "chaos" / "figures.jsonl"))
BEFORE_S = 3.0
AFTER_S = 5.0


@dataclass
class Figures:
    """What a case gave. Times in seconds from the fault.

    ``requests``: that were in flight at the fault or began after it. ``refused``: those whose first attempt ended before the first
    byte; of them ``retried`` were answered at a later one, as OpenAI's clients try, and ``lost`` were not. ``cut_said`` and
    ``cut_silent``: answers that ended in the middle, with and without an error event. ``outage_s``: until requests were answered
    at their first attempt for good. ``slowest_first_byte_s``: of all that were answered. ``whole_s``: until what was broken had
    been replaced; ``None`` where nothing has to be. ``unrecorded``: complete answers that the usage ledger doesn't know.
    """

    case: str
    fault: str
    sees: str
    requests: int = 0
    complete: int = 0
    refused: int = 0
    retried: int = 0
    lost: int = 0
    cut_said: int = 0
    cut_silent: int = 0
    outage_s: float = 0.0
    slowest_first_byte_s: float = 0.0
    whole_s: float | None = None
    unrecorded: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Append a line to the file of figures."""
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        line = {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}
        with FIGURES.open("a") as file:
            file.write(json.dumps(line) + "\n")


@dataclass
class Fault:
    """Handed to the test between the fault and the end of the load."""

    load: Driver
    moment_s: float = 0.0
    whole_s: float | None = None

    def now(self) -> None:
        """The fault happens with the next statement."""
        self.moment_s = time.monotonic()

    def since_s(self) -> float:
        return time.monotonic() - self.moment_s

    def refusals(self) -> list[Attempt]:
        """Attempts after the fault that ended without a byte."""
        attempts = [attempt for request in self.load.requests for attempt in request.attempts]
        return [attempt for attempt in attempts if attempt.end is End.REFUSED and attempt.ended_s >= self.moment_s]

    def until_whole(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until what was broken has been replaced."""
        until(holds, timeout_s, "what was broken has not been replaced")
        self.whole_s = self.since_s()

    def until_flowing(self, timeout_s: float, answers: int = 10) -> None:
        """Wait until so many requests that began after this call have been answered."""
        asked_s = time.monotonic()
        until(lambda: self.load.answered_since(asked_s) >= answers, timeout_s, "requests do not flow")


@contextmanager
def measured(cluster: ChaosCluster, figures: Figures, mix: Mix | None = None, *, ledger: bool = True) -> Iterator[Fault]:
    """Load around the body of a ``with``, which breaks something and waits for its repair; fills in ``figures``."""
    load = Driver(cluster.urls, cluster.api_key, MODEL, mix or Mix())
    try:
        load.await_flow()
        time.sleep(BEFORE_S)
        fault = Fault(load)
        yield fault
        fault.until_flowing(timeout_s=60.0)
        time.sleep(AFTER_S)
    finally:
        requests = load.stop()
    assert fault.moment_s, "the test has not said when its fault was"
    count(figures, requests, fault.moment_s)
    figures.whole_s = fault.whole_s
    if ledger:
        known = cluster.ledger()
        complete = [request.attempts[-1].answer_id for request in requests if request.end is End.COMPLETE]
        figures.unrecorded = sum(answer not in known for answer in complete)


def count(figures: Figures, requests: list[Request], moment_s: float) -> None:
    """What became of the requests that the fault could touch."""
    touched = [request for request in requests if request.attempts[-1].ended_s >= moment_s]
    ends = Counter(request.end for request in touched)
    refused = [request.attempts[0] for request in touched if request.attempts[0].end is End.REFUSED]
    figures.requests = len(touched)
    figures.complete, figures.lost = ends[End.COMPLETE], ends[End.REFUSED]
    figures.cut_said, figures.cut_silent = ends[End.CUT_SAID], ends[End.CUT_SILENT]
    figures.refused = len(refused)
    figures.retried = sum(request.retried for request in touched)
    figures.outage_s = outage_s(touched, refused, moment_s)
    waits = [
        attempt.first_byte_s - attempt.began_s
        for attempt in (request.attempts[-1] for request in touched)
        if attempt.first_byte_s is not None and attempt.end is End.COMPLETE and attempt.first_byte_s >= moment_s
    ]
    figures.slowest_first_byte_s = max(waits, default=0.0)
    failed = [attempt for request in touched for attempt in request.attempts if attempt.end is not End.COMPLETE]
    figures.reasons = dict(Counter(attempt.reason for attempt in failed).most_common())


def outage_s(touched: list[Request], refused: list[Attempt], moment_s: float) -> float:
    """From the fault until the first request that was answered at once and after which no other was refused."""
    if not refused:
        return 0.0
    last_s = max(attempt.began_s for attempt in refused)
    later = [
        request.attempts[0].began_s
        for request in touched
        if request.attempts[0].end is End.COMPLETE and request.attempts[0].began_s > last_s
    ]
    assert later, "requests do not flow again"
    return max(0.0, min(later) - moment_s)
