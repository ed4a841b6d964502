"""Starting and ending the programs of a measurement: marked, logged, on loopback, ended by their ids."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import procfs

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
_LOG_LINES = 12
_POLL_S = 0.1


class Unavailable(Exception):
    """A program can't be installed, started or used here. The message is the reason that the table shows."""


class Program:
    """A program with all the processes that it starts. ``mark`` finds them, ``log`` is their standard output and error."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.mark = f"{name}-{secrets.token_hex(6)}"
        self.log = FOLDER / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        variables = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}) | {procfs.MARK: self.mark}
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    list(command), env=variables, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            except FileNotFoundError:
                raise Unavailable(f"{command[0]} is not there") from None

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Raises ``Unavailable`` when the program ends or is not ready in time; it is ended then."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                reason = f"ended with code {code}" if code is not None else f"was not ready within {timeout_s:.0f} s"
                self.stop(grace_s=2.0)
                raise Unavailable(f"{self.name} {reason}: {self.last_words()}")
            time.sleep(_POLL_S)

    def processes(self) -> set[int]:
        """Ids of all its processes that run now."""
        return procfs.family(self._process.pid, self.mark)

    def last_words(self) -> str:
        """The end of its log, on one line."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        return " | ".join(line.strip() for line in lines)[-600:] or "it said nothing"

    def stop(self, grace_s: float = 30.0) -> None:
        """Ask the program to end, then end whatever of it is left."""
        family = procfs.snapshot(self.processes(), str)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        # By id and start time: an id that is free again may be somebody else's by now.
        late = self.processes()
        left = procfs.snapshot(late | {pid for pid, _ in family}, str)
        for pid, started in left:
            if (pid, started) in family or pid in late:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def answers(url: str, headers: Mapping[str, str] | None = None, timeout_s: float = 2.0) -> bool:
    """Whether a GET of ``url`` gets 200. Goes through no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=dict(headers or {})), timeout=timeout_s) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
