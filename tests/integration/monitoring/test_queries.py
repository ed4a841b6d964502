"""Every panel and every rule on a real Prometheus that scrapes a node with all of our metrics."""

from __future__ import annotations

import pytest

from deploy.monitoring import boards, rules
from deploy.monitoring.promql import selectors
from deploy.monitoring.rules.definition import Alert
from deploy.monitoring.rules.recording import labels_of
from tests import prometheus
from tests.integration.monitoring.busy_node import MODEL, ORGANIZATIONS
from tests.panel_queries import PanelQuery, panel_queries

pytestmark = pytest.mark.integration

WINDOW = "1m"
#: Panels of GPUs: their series are those of another exporter.
WITHOUT_DATA = {(board.uid, panel.title) for board in boards.ALL for panel in board.panels if "dcgm-exporter" in panel.needs}
every_query = pytest.mark.parametrize("query", list(panel_queries()), ids=str)


@every_query
def test_a_panels_query_returns_data(server: prometheus.Server, query: PanelQuery) -> None:
    expression = query.with_values(window=WINDOW)
    if (query.board, query.panel) in WITHOUT_DATA:
        assert server.query(expression) == []
        return
    series = server.eventually(expression)
    assert series, expression
    assert any(each["value"][1] != "NaN" for each in series), series


@every_query
def test_a_chosen_model_and_organization_narrow_a_panel(server: prometheus.Server, query: PanelQuery) -> None:
    """To the series of what is chosen, which are there; and to nothing where nothing has that name."""
    chosen = query.with_values(window=WINDOW, model=MODEL, org=ORGANIZATIONS[0])
    if (query.board, query.panel) not in WITHOUT_DATA:
        assert server.eventually(chosen), chosen
    if "$model" in query.expression:
        nothing = server.query(query.with_values(window=WINDOW, model="no-such-model"))
        assert all(float(each["value"][1]) == 0 for each in nothing), query.expression


def test_every_rule_is_evaluated_without_an_error(server: prometheus.Server) -> None:
    prometheus.wait_until(lambda: all(rule["health"] == "ok" for rule in server.rules()), 60, "a rule is not evaluated")
    found = {rule["name"] for rule in server.rules()}
    assert found == {alert.name for alert in rules.alerts()} | labels_of().keys()


@pytest.mark.parametrize("name", sorted(labels_of()))
def test_a_recording_rule_records_a_series_for_each_model(server: prometheus.Server, name: str) -> None:
    prometheus.wait_until(lambda: bool(server.query(name)), 60, f"{name} has no series")
    (series,) = server.eventually(f'{name}{{model="{MODEL}"}}')
    assert set(series["metric"]) - {"__name__"} <= labels_of()[name]


@pytest.mark.parametrize("alert", rules.alerts(), ids=lambda alert: alert.name)
def test_an_alerts_metrics_are_scraped(server: prometheus.Server, alert: Alert) -> None:
    """Each selector of its expression finds series, so that the alert could fire."""
    for selector in selectors(alert.expression):
        if selector.metric in labels_of():
            continue
        assert server.eventually(selector.metric), selector.metric
