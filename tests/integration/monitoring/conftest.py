from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.telemetry.exporter import NodeExporter
from cluster.telemetry.multiprocess import ENVIRONMENT_VARIABLE
from tests import prometheus
from tests.panel_queries import RULES

SCRAPED_WITHIN_S = 180.0


@pytest.fixture(scope="package")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a busy node's exporter."""
    prometheus.program("prometheus")
    metrics = tmp_path_factory.mktemp("metrics")
    exporter = NodeExporter(metrics, "127.0.0.1", 0, ingress="http://127.0.0.1:9")
    exporter.start()
    node = _busy_node(metrics)
    try:
        yield f"127.0.0.1:{exporter.port}"
    finally:
        node.kill()
        node.wait()
        exporter.stop()


@pytest.fixture(scope="package")
def server(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Server]:
    """A Prometheus with our rules that has scraped a busy node some times."""
    with prometheus.running(tmp_path_factory.mktemp("prometheus"), [target], rules=RULES) as server:
        prometheus.wait_until(
            lambda: bool(server.query("count_over_time(ossature_tokens_total[5m]) >= 4")),
            SCRAPED_WITHIN_S,
            "Prometheus has not scraped the node",
        )
        yield server


def _busy_node(metrics: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.monitoring.busy_node"], env={**os.environ, ENVIRONMENT_VARIABLE: str(metrics)}
    )
