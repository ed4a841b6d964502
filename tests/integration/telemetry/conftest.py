from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.telemetry.exporter import NodeExporter
from cluster.telemetry.multiprocess import ENVIRONMENT_VARIABLE

Series = tuple[str, tuple[tuple[str, str], ...]]
Start = Callable[..., subprocess.Popen[str]]


class Node:
    """A node's metrics folder with its exporter."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.exporter = NodeExporter(directory, "127.0.0.1", 0, ingress="http://127.0.0.1:9")

    def get(self, path: str = "/metrics", **headers: str) -> tuple[bytes, dict[str, str]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.exporter.port}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read(), dict(answer.headers.items())

    def scrape(self) -> dict[Series, float]:
        return parse(self.get()[0].decode())

    def value(self, name: str, **labels: str) -> float | None:
        return self.scrape().get((name, tuple(sorted(labels.items()))))


def parse(text: str) -> dict[Series, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    directory = tmp_path / "metrics" / "node"
    directory.mkdir(parents=True)
    node = Node(directory)
    node.exporter.start()
    yield node
    node.exporter.stop()


@pytest.fixture
def start(node: Node) -> Iterator[Start]:
    """Starts a process of ``processes.py`` on the node; with ``ready`` waits until it says so. All are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, ready: bool = True) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.telemetry.processes", *map(str, arguments)],
            env={**os.environ, ENVIRONMENT_VARIABLE: str(node.directory)},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        if ready:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
