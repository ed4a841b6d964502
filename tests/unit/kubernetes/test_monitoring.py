"""Dashboards and rules in the chart: those of ``deploy/grafana`` and ``deploy/prometheus``, with what a release decides."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cluster.telemetry.catalog.buckets import TTFT_BUCKETS
from deploy.monitoring import rules
from deploy.monitoring.complaints import complaints
from deploy.monitoring.promql import Matcher, narrowed, selectors
from deploy.monitoring.rules.recording import labels_of
from deploy.monitoring.series import with_recorded
from tests.chart import MODES, NAME, ROOT, refusal, render

DASHBOARDS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "deploy" / "grafana").glob("*.json"))}
Rule = dict[str, Any]


def written() -> list[Rule]:
    """The rules for Prometheus alone."""
    texts = [(ROOT / "deploy" / "prometheus" / f"{name}.yaml").read_text("utf-8") for name in ("recording", "alerts")]
    return [rule for text in texts for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def rendered(**settings: Any) -> list[Rule]:
    """Those of a release."""
    rule = render(monitoring__rules__enabled=True, **settings).one("PrometheusRule")
    return [each for group in rule["spec"]["groups"] for each in group["rules"]]


def test_a_release_has_every_rule_for_its_own_namespace() -> None:
    def of_release(expression: str) -> str:
        return narrowed(expression, lambda _: (Matcher("namespace", "=", "models"),))

    assert rendered() == [rule | {"expr": of_release(rule["expr"])} for rule in written()]


def test_every_selector_of_a_release_is_in_its_namespace_and_no_word_is_left() -> None:
    known = with_recorded(labels_of())
    for rule in rendered():
        assert list(complaints(rule["expr"], known)) == []
        for selector in selectors(rule["expr"]):
            assert Matcher("namespace", "=", "models") in selector.matchers, rule["expr"]
        assert "RELEASE_" not in json.dumps(rule)


def test_the_objective_and_the_runbooks_are_the_values() -> None:
    own = {"enabled": True, "ttftSeconds": 2.5, "ttftShare": 0.99, "runbooks": "https://wiki.test/llm"}
    found = {rule.get("alert") or rule["record"]: rule for rule in rendered(monitoring__rules=own)}
    assert 'le="2.5"' in found["model:ossature_slow_first_tokens:ratio_rate1h"]["expr"]
    alert = found["OssatureTtftBurnRateHigh"]
    assert "(1 - 0.99)" in alert["expr"]
    assert "0.95" not in json.dumps(alert)
    assert "2.5 s" in alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"] == "https://wiki.test/llm#ossaturettftburnratehigh"


@pytest.mark.parametrize("seconds", TTFT_BUCKETS)
def test_an_objective_asks_for_a_bucket_as_it_is_exported(seconds: float) -> None:
    own = {"enabled": True, "ttftSeconds": seconds}
    (rule,) = [each for each in rendered(monitoring__rules=own) if each.get("record", "").endswith("ratio_rate5m")]
    (bucket,) = [each for each in selectors(rule["expr"]) if each.metric.endswith("_bucket")]
    assert Matcher("le", "=", str(seconds)) in bucket.matchers


def test_an_objective_between_two_buckets_is_refused() -> None:
    assert "ttftSeconds" in refusal(monitoring__rules={"enabled": True, "ttftSeconds": 3})


@pytest.mark.parametrize("mode", MODES)
def test_a_config_map_for_each_dashboard_as_grafanas_sidecar_looks_for_them(mode: str) -> None:
    own = {"enabled": True, "labels": {"grafana_dashboard": "1"}, "annotations": {"grafana_folder": "LLM"}}
    maps = [
        each for each in render(mode=mode, monitoring__dashboards=own).of("ConfigMap") if "-dashboard-" in each["metadata"]["name"]
    ]
    assert {name: text for each in maps for name, text in each["data"].items()} == {
        name: text.rstrip("\n") for name, text in DASHBOARDS.items()
    }
    assert f"{NAME}-dashboard-overview" in {each["metadata"]["name"] for each in maps}
    for each in maps:
        assert each["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "app.kubernetes.io/instance": "demo"}.items()
        assert each["metadata"]["annotations"] == {"grafana_folder": "LLM"}


@pytest.mark.parametrize("mode", MODES)
def test_neither_is_there_unless_it_is_wanted(mode: str) -> None:
    found = render(mode=mode)
    assert found.of("PrometheusRule") == []
    assert not [each for each in found.of("ConfigMap") if "-dashboard-" in each["metadata"]["name"]]


def test_every_alert_is_in_the_chart() -> None:
    assert {rule["alert"] for rule in rendered() if "alert" in rule} == {alert.name for alert in rules.alerts()}
