"""What is told of sessions while they run, to whoever counts."""

from __future__ import annotations

from typing import Protocol

from cluster.realtime.session.actions import Occurrence, Stage


class SessionObserver(Protocol):
    def session_started(self, kind: str) -> None:
        """``kind``: ``realtime`` or ``transcription``."""
        ...

    def session_ended(self, kind: str, seconds: float) -> None: ...

    def occurred(self, what: Occurrence) -> None: ...

    def stage_timed(self, stage: Stage, seconds: float) -> None: ...

    def frame_late(self) -> None:
        """A frame of audio was done with more than 40 ms after it had come."""
        ...


class Unobserved:
    """Counts nothing."""

    def session_started(self, kind: str) -> None: ...

    def session_ended(self, kind: str, seconds: float) -> None: ...

    def occurred(self, what: Occurrence) -> None: ...

    def stage_timed(self, stage: Stage, seconds: float) -> None: ...

    def frame_late(self) -> None: ...
