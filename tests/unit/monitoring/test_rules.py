"""Recording rules and alerts against the catalog of metrics, without Prometheus."""

from __future__ import annotations

import re

import pytest

from cluster.telemetry.catalog.buckets import TTFT_BUCKETS
from deploy.monitoring import boards, rules
from deploy.monitoring.complaints import complaints, labels_of_result
from deploy.monitoring.promql import selectors
from deploy.monitoring.rules.definition import Alert, Objective, Recording
from deploy.monitoring.rules.recording import labels_of
from deploy.monitoring.series import Origin, with_recorded

KNOWN = with_recorded(labels_of())
RECORDED = rules.recordings()
every_alert = pytest.mark.parametrize("alert", rules.alerts(), ids=lambda alert: alert.name)
every_recording = pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.name)


@every_alert
def test_an_alerts_metrics_and_labels_exist(alert: Alert) -> None:
    assert list(complaints(alert.expression, KNOWN)) == []


@every_recording
def test_a_recordings_metrics_and_labels_exist(recording: Recording) -> None:
    assert list(complaints(recording.expression, KNOWN)) == []
    assert re.fullmatch(r"model:ossature_[a-z_]+:[a-z0-9_]+", recording.name)


@every_recording
def test_a_recording_carries_the_labels_that_are_said_of_it(recording: Recording) -> None:
    used = [selector.metric for selector in selectors(recording.expression)]
    inherited = frozenset[str]().union(*(KNOWN[name].labels for name in used if KNOWN[name].origin is Origin.RECORDED))
    assert recording.labels == (labels_of_result(recording.expression, KNOWN) - {"model_name"}) | inherited


@every_recording
def test_a_recording_is_used(recording: Recording) -> None:
    others = [alert.expression for alert in rules.alerts()]
    others += [each.expression for each in RECORDED if each is not recording]
    assert recording.name in {selector.metric for expression in others for selector in selectors(expression)}


@every_alert
def test_an_alert_tells_clusters_apart(alert: Alert) -> None:
    """One Prometheus may watch several: what is aggregated keeps the namespace."""
    for clause in re.findall(r"\bby \(([^)]*)\)", alert.expression):
        assert "namespace" in clause
    assert not re.search(r"\b(sum|min|max|count) ?\((?!.*by)", alert.expression)


@every_alert
def test_an_alerts_texts_name_labels_that_it_has(alert: Alert) -> None:
    carried = labels_of_result(alert.expression, KNOWN)
    for text in (alert.summary, alert.description):
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= carried
        assert text.endswith(".")


@every_alert
def test_an_alert_leads_to_a_dashboard(alert: Alert) -> None:
    assert alert.board in {board.uid for board in boards.ALL}


@every_alert
def test_an_alerts_name_can_be_a_heading(alert: Alert) -> None:
    assert re.fullmatch(r"Ossature([A-Z][a-z]+)+", alert.name)
    assert re.fullmatch(r"\d+m", alert.held)


def test_names_of_alerts_are_unique() -> None:
    names = [alert.name for alert in rules.alerts()]
    assert len(set(names)) == len(names)


def test_the_objective_is_a_bound_of_the_histogram() -> None:
    assert float(Objective().ttft_s) in TTFT_BUCKETS
    assert Objective().ttft_s == str(float(Objective().ttft_s)), "as Prometheus' client writes it"


def test_what_must_never_happen_wakes_somebody_at_once() -> None:
    (alert,) = [each for each in rules.alerts() if each.name == "OssatureCrossOrganizationHit"]
    assert (alert.severity, alert.held) == ("critical", "0m")
