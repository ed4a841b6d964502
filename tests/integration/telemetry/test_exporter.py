"""The node's endpoint over real processes that are killed."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cluster.telemetry.multiprocess import ENVIRONMENT_VARIABLE
from tests.integration.telemetry.conftest import Node, Series, Start, parse
from tests.integration.telemetry.processes import REQUESTS_PER_LIFE

pytestmark = pytest.mark.integration

HTTP = {"model": "m", "edge": "http"}


def requests(scrape: dict[Series, float]) -> float:
    return sum(value for (name, _), value in scrape.items() if name == "ossature_requests_total")


def in_flight(node: Node) -> float | None:
    return node.value("ossature_requests_in_flight", **HTTP)


def monotonic(scrape: dict[Series, float]) -> dict[Series, float]:
    """The samples that must never fall: counters and all parts of histograms."""
    suffixes = ("_total", "_bucket", "_count", "_sum")
    return {series: value for series, value in scrape.items() if series[0].endswith(suffixes)}


def files(node: Node) -> list[str]:
    return sorted(str(path.relative_to(node.directory)) for path in node.directory.rglob("*") if path.is_file())


def test_killed_replica_keeps_its_counts_and_loses_its_gauges(node: Node, start: Start) -> None:
    first, _second = start("replica", 3, 1), start("replica", 4, 1)
    assert node.value("ossature_requests_total", org="org_0", code="ok", **HTTP) == 7
    assert in_flight(node) == 2
    first.kill()
    first.wait()
    assert node.value("ossature_requests_total", org="org_0", code="ok", **HTTP) == 7
    assert in_flight(node) == 1
    start("replica", 5, 1)
    assert node.value("ossature_requests_total", org="org_0", code="ok", **HTTP) == 12
    assert node.value("ossature_tokens_total", org="org_0", kind="cached", **HTTP) == 12 * 60
    assert node.value("ossature_cross_org_hits_total", model="m") == 3
    assert node.value("ossature_exporter_processes") == 2


def test_gauges_of_two_replicas_of_one_model_are_both_seen(node: Node, start: Start) -> None:
    labels = {"model_name": "m", "engine": "0"}
    first = start("replica", 0, 5)
    start("replica", 0, 7)
    assert node.value("vllm:num_requests_running", replica="0", **labels) == 5
    assert node.value("vllm:num_requests_running", replica="1", **labels) == 7
    first.kill()
    first.wait()
    assert node.value("vllm:num_requests_running", replica="0", **labels) is None
    assert node.value("vllm:num_requests_running", replica="1", **labels) == 7
    start("replica", 0, 9)
    assert node.value("vllm:num_requests_running", replica="0", **labels) == 9


def test_nothing_falls_while_replicas_are_killed_and_scraped_all_the_time(node: Node, start: Start) -> None:
    lives, writers = 60, 3
    started = [start("restarts", lives, ready=False) for _ in range(writers)]
    ended = threading.Event()
    falls: list[str] = []
    scrapes: list[int] = []

    def watch() -> None:
        before: dict[Series, float] = {}
        count = 0
        while True:
            last = ended.is_set()
            now = monotonic(node.scrape())
            falls.extend(
                f"{series}: {value} -> {now.get(series)}" for series, value in before.items() if now.get(series, -1) < value
            )
            before = now
            count += 1
            if last:
                break
        scrapes.append(count)

    watchers = [threading.Thread(target=watch) for _ in range(4)]
    for watcher in watchers:
        watcher.start()
    for process in started:
        assert process.wait(timeout=300) == 0
    ended.set()
    for watcher in watchers:
        watcher.join()
    assert falls == []
    assert min(scrapes) > 5, "too few to have met a restart"
    assert requests(node.scrape()) == writers * lives * REQUESTS_PER_LIFE
    assert node.value("ossature_exporter_folded_processes_total") == writers * lives
    assert files(node) == ["archive.json", "lock", "organizations"]


def test_folder_stays_small_over_many_restarts(node: Node, start: Start) -> None:
    process = start("restarts", 300, ready=False)
    largest = 0
    while process.poll() is None:
        node.scrape()
        largest = max(largest, sum(path.stat().st_size for path in [node.directory / "archive.json"] if path.exists()))
        time.sleep(0.2)
    assert process.returncode == 0
    assert requests(node.scrape()) == 300 * REQUESTS_PER_LIFE
    assert files(node) == ["archive.json", "lock", "organizations"]
    assert largest < 200_000


def test_process_that_names_its_files_by_id_alone_is_counted_too(node: Node, start: Start) -> None:
    process = start("stranger")
    assert f"counter_{process.pid}.db" in files(node)
    assert requests(node.scrape()) == REQUESTS_PER_LIFE
    assert in_flight(node) == 1
    process.kill()
    process.wait()
    assert requests(node.scrape()) == REQUESTS_PER_LIFE
    assert in_flight(node) is None
    assert files(node) == ["archive.json", "lock", "organizations"]


def test_exporter_killed_while_folding_loses_nothing(node: Node, start: Start) -> None:
    """Exporter processes are killed at random moments under a storm of restarts; then a fresh one must find the exact sum."""
    writer = start("restarts", 150, ready=False)
    kills = 0
    while writer.poll() is None:
        exporter = exporter_process(node.directory)
        address = exporter_address(exporter)
        deadline = time.monotonic() + 0.05 * (kills % 5 + 1)
        hammer = threading.Thread(target=scrape_until_refused, args=(address,))
        hammer.start()
        time.sleep(max(0.0, deadline - time.monotonic()))
        exporter.kill()
        exporter.communicate()
        hammer.join()
        kills += 1
    assert kills >= 2
    assert requests(node.scrape()) == 150 * REQUESTS_PER_LIFE


def exporter_process(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cluster.telemetry.exporter", "--dir", str(directory), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )


def exporter_address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().split()[-1]


def scrape_until_refused(address: str) -> None:
    with contextlib.suppress(OSError, http.client.IncompleteRead):
        while True:
            urllib.request.urlopen(address, timeout=10).read()


def test_command_line_exporter_serves_and_ends_cleanly(node: Node, start: Start) -> None:
    start("replica", 3, 1)
    process = exporter_process(node.directory)
    with urllib.request.urlopen(exporter_address(process), timeout=10) as answer:
        assert requests(parse(answer.read().decode())) == 3
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_several_exporters_on_one_folder_agree(node: Node, start: Start) -> None:
    other = Node(node.directory)
    other.exporter.start()
    try:
        writer = start("restarts", 20, ready=False)
        while writer.poll() is None:
            node.scrape()
            other.scrape()
        assert requests(node.scrape()) == requests(other.scrape()) == 20 * REQUESTS_PER_LIFE
    finally:
        other.exporter.stop()


def test_format_is_negotiated(node: Node, start: Start) -> None:
    start("replica", 1, 1)
    plain, headers = node.get()
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE vllm:num_requests_running gauge" in plain
    open_metrics, headers = node.get(Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert open_metrics.endswith(b"# EOF\n")
    assert b'\nvllm:num_requests_running{engine="0"' in open_metrics
    packed, headers = node.get(Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert parse(gzip.decompress(packed).decode()).keys() == parse(plain.decode()).keys()


def test_other_paths_and_health(node: Node) -> None:
    assert node.get("/healthz")[0] == b"ok\n"
    assert node.get("/metrics?name=x")[0].startswith(b"# HELP")
    with pytest.raises(urllib.error.HTTPError) as error:
        node.get("/")
    assert error.value.code == 404
    shutil.rmtree(node.directory)
    for path, code in (("/healthz", 503), ("/metrics", 500)):
        with pytest.raises(urllib.error.HTTPError) as error:
            node.get(path)
        assert error.value.code == code


def test_scraper_that_hangs_up_or_says_nothing_disturbs_nobody(node: Node, start: Start) -> None:
    start("replica", 2, 1)
    silent = socket.create_connection(("127.0.0.1", node.exporter.port))
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", node.exporter.port)) as rude:
            rude.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert requests(node.scrape()) == 2
    silent.close()


def test_stopped_exporter_frees_its_port_and_can_start_again(node: Node) -> None:
    port = node.exporter.port
    node.exporter.stop()
    node.exporter.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    node.exporter.start()
    assert node.get("/healthz")[0] == b"ok\n"


def test_metrics_made_outside_multi_process_mode_need_no_folder() -> None:
    environment = {name: value for name, value in os.environ.items() if name != ENVIRONMENT_VARIABLE}
    code = "from cluster.telemetry.metrics import GatewayMetrics as G; G(['m']).request_started('o', 'm', 'http')"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
