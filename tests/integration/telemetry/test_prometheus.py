"""A scrape before the eyes of Prometheus itself. Needs its Debian package (``apt-get install prometheus``)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.telemetry import catalog
from tests.integration.telemetry.conftest import Node, Start

pytestmark = pytest.mark.integration

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")
Query = Callable[[str], list[dict[str, object]]]


@pytest.fixture
def busy_node(node: Node, start: Start) -> Node:
    start("replica", 3, 1)
    start("replica", 4, 2)
    return node


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")
def test_promtool_finds_nothing_wrong_with_our_metrics(busy_node: Node) -> None:
    # The colon in vLLM's names is reserved for recording rules, so the lint refuses them in any case.
    ours = [line for line in busy_node.get()[0].decode().splitlines(keepends=True) if "vllm:" not in line]
    result = subprocess.run([str(PROMTOOL), "check", "metrics"], input="".join(ours), capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.fixture
def query(busy_node: Node, tmp_path: Path) -> Iterator[Query]:
    """Asks a Prometheus that has scraped the node."""
    config = {
        "global": {"scrape_interval": "500ms"},
        "scrape_configs": [
            {"job_name": "ossature", "static_configs": [{"targets": [f"127.0.0.1:{busy_node.exporter.port}"]}]},
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [
            str(PROMETHEUS),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ],
        stderr=subprocess.DEVNULL,
    )

    def ask(expression: str) -> list[dict[str, object]]:
        url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            result: list[dict[str, object]] = json.load(answer)["data"]["result"]
            return result

    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if ask("count_over_time(ossature_build_info[1m]) >= 3"):
                    break
            except OSError:
                pass
            assert time.monotonic() < deadline, "Prometheus has not scraped the node"
            time.sleep(0.2)
        yield ask
    finally:
        server.kill()
        server.wait()


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian package prometheus)")
def test_prometheus_understands_names_and_examples(query: Query) -> None:
    [up] = query("up")
    assert up["value"][1] == "1"  # type: ignore[index]
    assert len(query("vllm:num_requests_running")) == 2
    assert [r["value"][1] for r in query("sum(ossature_requests_total)")] == ["7"]  # type: ignore[index]
    for metric in catalog.ALL:
        name = metric.name + ("_count" if metric.buckets else "")
        assert query(name), f"{name} has no series"
        query(metric.example)  # raises on an expression that is not valid
