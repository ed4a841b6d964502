"""What a load generator asks a fake worker for, written in the prompt, so that it passes through any router unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass

START_VARIABLE = "BENCH_ENGINE_START_S"
"""In a model's environment: how long its fake engines take to start, in seconds."""

_PATTERN = re.compile(rb"\[bench ttft_us=(\d+) step_us=(\d+) tokens=(\d+)\]")


@dataclass(frozen=True, slots=True)
class Profile:
    """First token after ``ttft_us`` microseconds, then one every ``step_us``, ``tokens`` in all."""

    ttft_us: int = 0
    step_us: int = 10_000
    tokens: int = 16

    def __post_init__(self) -> None:
        if self.ttft_us < 0 or self.step_us < 1 or self.tokens < 1:
            raise ValueError("a profile needs ttft_us >= 0, step_us >= 1 and tokens >= 1")

    @property
    def text(self) -> str:
        return f"[bench ttft_us={self.ttft_us} step_us={self.step_us} tokens={self.tokens}]"

    @classmethod
    def find(cls, body: bytes) -> Profile:
        """The profile in a request's body; the default where it names none."""
        found = _PATTERN.search(body)
        return cls(*map(int, found.groups())) if found else cls()
