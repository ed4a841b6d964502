"""How long a spoken turn takes to be answered, part by part."""

from __future__ import annotations

from cluster.realtime.session.actions import Stage, StageTimed
from cluster.realtime.session.emitter import Emitter


class TurnTimer:
    """Started at the end of speech; each stage counts once, from the end of the one before. Times are seconds of one clock."""

    def __init__(self, emitter: Emitter, now: float) -> None:
        self._emitter = emitter
        self._began = self._last = now
        self._seen: set[Stage] = set()

    def mark(self, stage: Stage, now: float) -> None:
        if stage in self._seen:
            return
        self._seen.add(stage)
        self._emitter.do(StageTimed(stage, max(0.0, now - self._last)))
        self._last = now
        if stage is Stage.FIRST_AUDIO:
            self._emitter.do(StageTimed(Stage.TOTAL, max(0.0, now - self._began)))
