"""Rules in Prometheus' format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from deploy.monitoring import rules
from deploy.monitoring.promql import Matcher, narrowed
from deploy.monitoring.rules.definition import Alert, Group, Objective, Recording, Values

#: What the chart puts the values of a release for. A name with a dollar is no metric, and stands nowhere else in the rules.
NAMESPACE = "$RELEASE_NAMESPACE"
CHART = Values(Objective("$RELEASE_TTFT_SECONDS", "$RELEASE_TTFT_SHARE"), "$RELEASE_RUNBOOKS")
FILES: dict[str, Callable[[Values], tuple[Group, ...]]] = {"recording": rules.recording_groups, "alerts": rules.alert_groups}
_HEAD = "# Made by scripts/monitoring.py from deploy/monitoring/rules.\n"


def as_yaml(name: str, values: Values | None = None) -> str:
    """The content of a file of :data:`FILES`. With :data:`CHART`, each selector keeps to the release's namespace."""
    content = {"groups": [_group(group, values or Values()) for group in FILES[name](values or Values())]}
    return _HEAD + yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)


def _group(group: Group, values: Values) -> dict[str, Any]:
    interval = {"interval": group.interval} if group.interval else {}
    return {"name": group.name, **interval, "rules": list(_rules(group, values))}


def _rules(group: Group, values: Values) -> Iterator[dict[str, Any]]:
    for rule in group.rules:
        expression = _of_release(rule.expression) if values is CHART else rule.expression
        yield _recording(rule, expression) if isinstance(rule, Recording) else _alert(rule, expression, values)


def _of_release(expression: str) -> str:
    return narrowed(expression, lambda _: (Matcher("namespace", "=", NAMESPACE),))


def _recording(rule: Recording, expression: str) -> dict[str, Any]:
    return {"record": rule.name, "expr": expression}


def _alert(alert: Alert, expression: str, values: Values) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": expression,
        "for": alert.held,
        "labels": {"severity": str(alert.severity)},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{values.runbooks}#{alert.name.lower()}",
            "dashboard": alert.board,
        },
    }
