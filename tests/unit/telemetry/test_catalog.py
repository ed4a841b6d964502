from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from cluster.telemetry import catalog, labels
from cluster.telemetry.definition import Kind, Metric

every_metric = pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name)


@every_metric
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"ossature_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|milliseconds|us|kb|mb|kilobytes|count|sum|bucket)$", metric.name)
    for unit in ("seconds", "bytes"):
        assert (metric.unit == unit) == (unit in metric.name.split("_"))


@every_metric
def test_labels_are_documented_and_none_is_reserved(metric: Metric) -> None:
    assert set(metric.labels) <= labels.MEANINGS.keys()
    assert not {"le", "quantile", "job", "instance", "replica", "pid"} & set(metric.labels)


@every_metric
def test_examples_ask_for_the_metric(metric: Metric) -> None:
    assert metric.name in metric.example
    assert metric.meaning.endswith(".")


@every_metric
def test_histograms_alone_have_buckets_in_order(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_defined_metric_is_listed_once() -> None:
    modules = [importlib.import_module(f"{catalog.__name__}.{found.name}") for found in pkgutil.iter_modules(catalog.__path__)]
    defined = [value for module in modules for value in vars(module).values() if isinstance(value, Metric)]
    assert len(defined) > len(modules)
    assert sorted(m.name for m in defined) == sorted(m.name for m in catalog.ALL)
    assert len({m.name for m in catalog.ALL}) == len(catalog.ALL)
