"""A scrape before the eyes of Prometheus itself."""

from __future__ import annotations

import re
import urllib.request

import pytest

from cluster.telemetry import catalog
from cluster.telemetry.definition import Metric
from tests import metrics_check, prometheus

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def scrape(server: prometheus.Server, target: str) -> str:
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_promtool_finds_nothing_wrong_with_our_metrics(scrape: str) -> None:
    # The colon in vLLM's names is reserved for recording rules, so the lint refuses them in any case.
    ours = [line for line in scrape.splitlines(keepends=True) if not re.match(r"(# (HELP|TYPE) )?vllm:", line)]
    result = prometheus.promtool("check", "metrics", stdin="".join(ours))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_node_has_every_metric_and_no_other(scrape: str) -> None:
    assert metrics_check.undocumented(scrape) == set()
    assert metrics_check.missing(scrape) == set()


@pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name)
def test_prometheus_has_series_of_a_metric_and_understands_its_example(server: prometheus.Server, metric: Metric) -> None:
    name = metric.name + ("_count" if metric.buckets else "")
    series = server.eventually(name)
    assert series, f"{name} has no series"
    labels = set().union(*(set(each["metric"]) for each in series)) - {"__name__", "instance", "job"}
    assert labels == set(metric.labels)
    server.query(metric.example)  # raises on an expression that is not valid
