"""Steps as an engine makes them: all answers of one pace get their next token in the same turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Member = Callable[[], bool]
"""Called at each step; returns whether it wants another."""


class StepClock:
    """Calls its members every ``step_us`` microseconds, for as long as it has any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, step_us: int) -> None:
        self._loop = loop
        self._step_s = step_us / 1e6
        self._members: list[Member] = []
        self._due_s = 0.0

    def add(self, member: Member) -> None:
        self._members.append(member)
        if len(self._members) == 1:
            self._due_s = self._loop.time() + self._step_s
            self._loop.call_at(self._due_s, self._step)

    def _step(self) -> None:
        self._members = [member for member in self._members if member()]
        if self._members:
            # A step that comes late does not make the next ones come early.
            self._due_s = max(self._due_s, self._loop.time() - self._step_s) + self._step_s
            self._loop.call_at(self._due_s, self._step)


class StepClocks:
    """One clock for each pace."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._clocks: dict[int, StepClock] = {}

    def add(self, step_us: int, member: Member) -> None:
        clock = self._clocks.get(step_us)
        if clock is None:
            clock = self._clocks[step_us] = StepClock(self._loop, step_us)
        clock.add(member)
