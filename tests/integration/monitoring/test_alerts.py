"""Each alert through promtool: what it fires on, with its text, and what it lets pass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring import rules
from deploy.monitoring.rules.definition import Alert, Values
from tests import prometheus
from tests.integration.monitoring.alert_cases import CASES, Case
from tests.panel_queries import RULES

pytestmark = pytest.mark.integration

ALERTS = {alert.name: alert for alert in rules.alerts()}
GROUPS = [group.name for group in (*rules.recording_groups(Values()), *rules.alert_groups(Values()))]


def text_of(template: str, case: Case) -> str:
    """A text of the alert as Prometheus should write it."""
    assert case.labels is not None
    labels = case.labels
    written = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], template)
    return re.sub(r"{{ \$value [^}]*}}", case.value, written)


def expected(alert: Alert, case: Case) -> list[dict[str, Any]]:
    if case.labels is None:
        return []
    return [
        {
            "exp_labels": {"severity": str(alert.severity), **case.labels},
            "exp_annotations": {
                "summary": text_of(alert.summary, case),
                "description": text_of(alert.description, case),
                "runbook_url": f"docs/operations.md#{alert.name.lower()}",
                "dashboard": alert.board,
            },
        }
    ]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_fires_on_its_case_and_on_no_other(case: Case, tmp_path: Path) -> None:
    content = {
        "rule_files": [str(path) for path in RULES],
        "evaluation_interval": case.step,
        "group_eval_order": GROUPS,
        "tests": [
            {
                "interval": case.step,
                "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
                "alert_rule_test": [
                    {"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": expected(ALERTS[case.alert], case)}
                ],
            }
        ],
    }
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(content))
    outcome = prometheus.promtool("test", "rules", str(path))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_has_a_case_on_either_side(name: str) -> None:
    assert {case.labels is None for case in CASES if case.alert == name} == {True, False}


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    outcome = prometheus.promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
