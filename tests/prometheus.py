"""A real Prometheus for tests, on loopback with a port and a data folder of its own, and promtool.

Both are where ``make prometheus`` unpacks them, or on the path.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
UNPACKED = ROOT / ".services" / "prometheus"
READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 30.0
Result = list[dict[str, Any]]


def program(name: str) -> str:
    """Path of ``prometheus`` or ``promtool``; skips the test that asks for one that is not here."""
    own = UNPACKED / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: make prometheus")
    return found


def promtool(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Server:
    """A running one."""

    address: str

    def query(self, expression: str) -> Result:
        """The series of an instant query. Raises ``AssertionError`` with Prometheus' words on an expression that is not valid."""
        result: Result = self._get("query", query=expression)["result"]
        return result

    def eventually(self, expression: str, within_s: float = ANSWER_WITHIN_S) -> Result:
        """The same, asked again while there are none: a scrape that took too long, on a busy machine, leaves a gap."""
        deadline = time.monotonic() + within_s
        while not (found := self.query(expression)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def rules(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error


@contextmanager
def running(folder: Path, targets: list[str], *, rules: list[Path] | None = None, interval_s: float = 4.0) -> Iterator[Server]:
    """Scrapes ``targets`` (host:port) and evaluates rules each ``interval_s`` seconds, until the block ends."""
    config = {
        "global": {"scrape_interval": f"{interval_s * 1000:.0f}ms", "evaluation_interval": f"{interval_s * 1000:.0f}ms"},
        "rule_files": [str(path) for path in rules or ()],
        "scrape_configs": [{"job_name": "ossature", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(address)
    try:
        wait_until(lambda: _is_ready(server, process, log), READY_WITHIN_S, "Prometheus is not ready")
        yield server
    finally:
        process.kill()
        process.wait()


def _is_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")[-2000:]
    try:
        with urllib.request.urlopen(f"http://{server.address}/-/ready", timeout=ANSWER_WITHIN_S):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
