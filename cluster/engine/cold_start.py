"""The phases of a cold start and what each took."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

logger = logging.getLogger("ossature.engine.cold_start")


class Phase(StrEnum):
    """In the order in which they happen."""

    IMPORT = "import"
    PROCESSES = "processes"
    LOAD_WEIGHTS = "load_weights"
    KV_CACHE = "kv_cache"
    SERVING = "serving"
    WARM_UP = "warm_up"


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """One ended phase. ``seconds`` it took; ``total_s`` since the start began."""

    phase: Phase
    seconds: float
    total_s: float


OnPhase = Callable[[PhaseReport], None]


class ColdStart:
    """A stopwatch over phases. Each report is logged and handed to ``on_phase`` as soon as its phase has ended."""

    def __init__(self, model: str, on_phase: OnPhase, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._on_phase = on_phase
        self._clock = clock
        self._started_s = clock()
        self._reports: list[PhaseReport] = []

    @property
    def reports(self) -> tuple[PhaseReport, ...]:
        return tuple(self._reports)

    @contextlib.contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Time what is inside. A phase that fails is not reported."""
        started_s = self._clock()
        yield
        self.report(phase, self._clock() - started_s)

    def now_s(self) -> float:
        """Seconds since the start began."""
        return self._clock() - self._started_s

    def report(self, phase: Phase, seconds: float) -> None:
        """Report a phase that was timed elsewhere."""
        report = PhaseReport(phase, seconds, self.now_s())
        self._reports.append(report)
        logger.info("cold start of %s: %s took %.1f s (%.1f s so far)", self._model, phase, seconds, report.total_s)
        self._on_phase(report)
