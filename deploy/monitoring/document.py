"""docs/dashboards.md: every panel and every alert, from what is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.monitoring import boards, rules
from deploy.monitoring.panels import Board, Panel
from deploy.monitoring.rules.definition import Alert, Values
from deploy.monitoring.rules.recording import labels_of

_HEAD = """\
<!-- Made by scripts/monitoring.py from deploy/monitoring; edit that, then run `python scripts/monitoring.py`. -->

# Dashboards and alerts

`deploy/grafana` holds dashboards for Grafana 11.6 and later, `deploy/prometheus` the rules. Both are made from typed code in
`deploy/monitoring`, and every query in them is checked against the [list of metrics](metrics.md) and on a real Prometheus.

- **Grafana**: import the files, or provision the folder. All of them have the tag `ossature` and link to each other. The
  pictures below are drawn from the files: where panels stand, their units and thresholds, no values. The dashboards have
  not been looked at in a running Grafana.
- **Prometheus**: name both files under `rule_files`. Rules and alerts keep a label `namespace` apart where there is one,
  so that several clusters may share a Prometheus; the chart's rules keep to the namespace of their release.
- **Kubernetes**: `monitoring.dashboards.enabled` makes a ConfigMap of each dashboard with the label that Grafana's sidecar
  looks for, `monitoring.rules.enabled` a PrometheusRule: [kubernetes.md](kubernetes.md#monitoring).

Variables: the data source; the namespace (`All` where there is none); the model; the organization where it matters. `All`
is everything, series without the label among them.
"""

#: What a template writes of an alert's value.
_VALUES = {"humanizePercentage": "share", "humanizeDuration": "time", "printf": "number"}


def render() -> str:
    return "\n".join([_HEAD, *(line for board in boards.ALL for line in _board(board)), *_alerts()]) + "\n"


def _board(board: Board) -> Iterator[str]:
    yield f"## {board.title.removeprefix('Ossature: ').capitalize()}\n"
    yield f"{board.purpose}\n"
    yield f"![Layout of the dashboard](images/dashboards/{board.uid}.svg)\n"
    yield "| Panel | What it says |\n|---|---|"
    for row in board.rows:
        yield f"| **{row.title}** | |"
        yield from (_panel(panel) for panel in row.panels)
    yield ""


def _panel(panel: Panel) -> str:
    needs = f" Needs {panel.needs}." if panel.needs else ""
    return f"| {panel.title} | {panel.meaning}{needs} |"


def _alerts() -> Iterator[str]:
    objective = Values().objective
    yield "## Alerts\n"
    yield (
        "`critical`: somebody is to look now, at any hour; `warning`: within the day. Each has an annotation `runbook_url`, which\n"
        "is `docs/operations.md#` and its name in small letters, and `dashboard`, the uid of the dashboard to look at.\n\n"
        f"The objective of first tokens is {float(objective.share):.0%} within {float(objective.ttft_s):g} s. Of a "
        "month's budget of slow ones, the first burn-rate\n"
        "alert tells when 2 % are gone in an hour or 5 % in six, the second when 10 % are gone in a day or in three.\n"
    )
    yield "| Alert | Severity | For | What it means |\n|---|---|---|---|"
    yield from (_alert(alert) for alert in rules.alerts())
    yield "\nExpressions:\n"
    for alert in rules.alerts():
        yield f"- `{alert.name}`: `{alert.expression}`"
    yield f"\nRecorded for them: {', '.join(f'`{name}`' for name in labels_of())}."


def _alert(alert: Alert) -> str:
    return f"| `{alert.name}` | {alert.severity} | {alert.held} | {_plain(alert.summary)} {_plain(alert.description)} |"


def _plain(template: str) -> str:
    """A template with words in place of its values."""
    plain = re.sub(r"{{ \$labels\.(\w+) }}", r"*\1*", template)
    return re.sub(r"{{ \$value \| (\w+).*?}}", lambda found: f"*{_VALUES[found[1]]}*", plain)
