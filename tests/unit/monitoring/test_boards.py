"""The dashboards against the catalog of metrics, without Grafana or Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cluster.telemetry import catalog
from deploy.monitoring import boards, rules
from deploy.monitoring.complaints import complaints, legend_complaints
from deploy.monitoring.panels import GRID_COLUMNS, Board, Look, Panel, Row
from deploy.monitoring.promql import selectors
from deploy.monitoring.series import DCGM, SCRAPED, VLLM, Origin
from tests import metrics_check

every_board = pytest.mark.parametrize("board", boards.ALL, ids=lambda board: board.uid)
every_panel = pytest.mark.parametrize(
    "panel", [pytest.param(panel, id=f"{board.uid}: {panel.title}") for board in boards.ALL for panel in board.panels]
)
#: Metrics that neither a panel nor an alert shows, and why.
NOT_SHOWN = {
    "ossature_stored_completion_wait_duration_seconds": "seen in the time of whole requests",
    "ossature_stored_completions_purged_total": "housekeeping",
    "ossature_files_swept_total": "housekeeping",
    "ossature_file_bytes_total": "seen in the disk's use",
    "ossature_kv_event_gaps_total": "gateways go on by belief; the share of cached tokens shows what it costs",
}


@every_panel
def test_a_panels_metrics_and_labels_exist(panel: Panel) -> None:
    for query in panel.queries:
        assert list(complaints(query.expression, SCRAPED)) == []
        assert list(legend_complaints(query.legend, query.expression, SCRAPED)) == []


@every_panel
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert re.fullmatch(r"[A-Z].*[^.]", panel.title)
    assert re.search(r"[.…]$", panel.meaning)
    assert len(panel.queries) == len({query.legend for query in panel.queries}), "two queries with one legend"
    if len(panel.queries) > 1:
        assert all(query.legend for query in panel.queries)


@every_panel
def test_thresholds_rise_and_fit_the_unit(panel: Panel) -> None:
    values = [step.value for step in panel.steps]
    assert values == sorted(values)
    assert panel.maximum is None or all(value <= panel.maximum for value in values)


@every_panel
def test_numbers_of_a_rate_are_asked_over_grafanas_interval(panel: Panel) -> None:
    """A fixed window would miss samples on one screen and blur them on another; only counts over a named time have one."""
    for query in panel.queries:
        for function, window in re.findall(r"(rate|increase)\([^\[]*\[([^\]]*)\]", query.expression):
            assert window in ({"$__rate_interval"} if function == "rate" else {"$__range", "10m", "1h"}), query.expression


@every_panel
def test_a_panel_that_needs_more_than_a_cluster_says_so(panel: Panel) -> None:
    origins = {SCRAPED[selector.metric].origin for query in panel.queries for selector in selectors(query.expression)}
    assert (Origin.DCGM in origins) == ("dcgm-exporter" in panel.needs)


@every_board
def test_rows_fill_the_grid(board: Board) -> None:
    for row in board.rows:
        for line in lines(row):
            assert sum(panel.width for panel in line) == GRID_COLUMNS, (row.title, [panel.title for panel in line])
            assert len({panel.height for panel in line}) == 1


def lines(row: Row) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in row.panels:
        line.append(panel)
        if sum(each.width for each in line) >= GRID_COLUMNS:
            yield line
            line = []
    assert not line, f"{row.title}: the last line is not full"


@every_board
def test_titles_are_told_apart_within_a_row(board: Board) -> None:
    for row in board.rows:
        assert len({panel.title for panel in row.panels}) == len(row.panels)
    assert {panel.look for panel in board.panels} <= set(Look)


def test_uids_and_titles_are_unique() -> None:
    assert len({board.uid for board in boards.ALL}) == len({board.title for board in boards.ALL}) == len(boards.ALL)


def test_every_metric_is_shown_or_has_its_reason() -> None:
    queries = [query.expression for board in boards.ALL for panel in board.panels for query in panel.queries]
    recorded = [recording.expression for recording in rules.recordings()]
    alerted = [alert.expression for alert in rules.alerts()]
    used = {selector.metric for expression in (*queries, *recorded, *alerted) for selector in selectors(expression)}
    used |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    shown = {metric.name for metric in catalog.ALL if metric.name in used}
    assert {metric.name for metric in catalog.ALL} - shown == NOT_SHOWN.keys()


def test_every_foreign_series_is_used() -> None:
    """So that the tables of labels, which are written by hand, hold nothing that no test looks at."""
    queries = [query.expression for board in boards.ALL for panel in board.panels for query in panel.queries]
    used = {re.sub(r"_(bucket|sum|count)$", "", s.metric) for expression in queries for s in selectors(expression)}
    assert used >= {*DCGM, *(re.sub(r"_(bucket|sum|count)$", "", name) for name in VLLM)}


def test_vllms_names_are_those_of_its_source() -> None:
    scrape = "".join(f"# TYPE {name} {kind}\n" for name, (kind, _) in VLLM.items())
    assert metrics_check.undocumented(scrape) == set()
