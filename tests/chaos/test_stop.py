"""`ossature stop` and Ctrl-C under load: answers that end in time are whole, others are told why they don't."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from bench.fakes.profile import Profile
from tests.chaos.cluster import MODEL, ChaosCluster, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

STEP_S = 0.05
SHORT_S, LONG_S = 6.0, 60.0
BEFORE_S = 2.0
ENDS_WITHIN_S = 60.0


class Stream(threading.Thread):
    """``lines``: of its answer; ``error``: how its connection broke, if it did."""

    def __init__(self, cluster: ChaosCluster, seconds: float) -> None:
        super().__init__(daemon=True)
        profile = Profile(ttft_us=10_000, step_us=int(STEP_S * 1e6), tokens=int(seconds / STEP_S))
        self._body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": profile.text}]}
        self._cluster = cluster
        self.lines: list[str] = []
        self.error = ""

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._cluster.api_key}"}
        url = f"{self._cluster.http}/v1/chat/completions"
        try:
            with httpx.stream("POST", url, json=self._body, headers=headers, timeout=90, trust_env=False) as answer:
                self.lines += [line for line in answer.iter_lines() if line.startswith("data: ")]
        except httpx.HTTPError as error:
            self.error = type(error).__name__


def test_an_orderly_end_cuts_nobody_without_a_word(tmp_path: Path) -> None:
    with running(tmp_path, {}) as cluster:
        short, long = [Stream(cluster, SHORT_S) for _ in range(2)], [Stream(cluster, LONG_S) for _ in range(2)]
        for stream in (*short, *long):
            stream.start()
        time.sleep(BEFORE_S)
        began_s = time.monotonic()
        cluster.process.send_signal(signal.SIGINT)
        assert cluster.process.wait(ENDS_WITHIN_S) == 0
        assert time.monotonic() - began_s < ENDS_WITHIN_S
        for stream in (*short, *long):
            stream.join(10)
        assert [stream.error for stream in (*short, *long)] == [""] * 4
        assert all(stream.lines[-1] == "data: [DONE]" for stream in short)
        assert all('"error"' in stream.lines[-1] and "engine_failed" in stream.lines[-1] for stream in long)
