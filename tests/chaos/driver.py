"""The load's process: starting it, following what it tells, ending it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict

from bench.programs import ROOT
from tests.chaos.load import FLOWING, REQUEST_TIMEOUT_S, Attempt, End, Mix, Request

START_TIMEOUT_S = 120.0


class Driver:
    """``requests``: those that are over, in the order in which they ended. Moments are ``time.monotonic``, the same for all."""

    def __init__(self, urls: list[str], api_key: str, model: str, mix: Mix) -> None:
        self.mix = mix
        self.requests: list[Request] = []
        arguments = {"urls": urls, "api_key": api_key, "model": model, "mix": asdict(mix)}
        self._flowing = threading.Semaphore(0)
        self._process = subprocess.Popen(
            # The key of a cluster that lives as long as the test may be seen in a list of processes.
            [sys.executable, "-m", "tests.chaos.load", json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True, name="load-reader")
        self._reader.start()

    def await_flow(self) -> None:
        """Until every stream has had a byte."""
        for _ in range(self.mix.streams):
            assert self._flowing.acquire(timeout=START_TIMEOUT_S), f"a stream did not start: {self.requests[-5:]}"

    def answered_since(self, moment_s: float) -> int:
        """Requests that began after ``moment_s`` and were answered in full."""
        last = [request.attempts[-1] for request in list(self.requests)]
        return sum(attempt.began_s > moment_s and attempt.end is End.COMPLETE for attempt in last)

    def stop(self) -> list[Request]:
        """Send nothing more, and wait for what is in flight."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(REQUEST_TIMEOUT_S + 30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        self._reader.join(10.0)
        assert code == 0, f"the load ended with {code}"
        return self.requests

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == FLOWING:
                self._flowing.release()
                continue
            told = json.loads(line)
            attempts = [Attempt(**{**attempt, "end": End(attempt["end"])}) for attempt in told["attempts"]]
            self.requests.append(Request(told["kind"], attempts))
