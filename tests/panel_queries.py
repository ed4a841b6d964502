"""The queries of the dashboards as Grafana would send them, for tests that ask a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GRAFANA = ROOT / "deploy" / "grafana"
RULES = [ROOT / "deploy" / "prometheus" / f"{name}.yaml" for name in ("recording", "alerts")]


@dataclass(frozen=True)
class PanelQuery:
    """``expression`` still has Grafana's variables."""

    board: str
    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.board.removeprefix('ossature-')}: {self.panel}"

    def with_values(self, *, window: str, **chosen: str) -> str:
        """As Grafana sends it. ``window``: a PromQL duration for its ranges; ``chosen``: values of variables, ``All`` otherwise."""
        expression = self.expression
        for name, value in {
            "__rate_interval": window,
            "__range": window,
            "model": ".*",
            "org": ".*",
            "namespace": ".*",
            **chosen,
        }.items():
            expression = expression.replace(f"${name}", value)
        assert "$" not in expression, expression
        return expression


def panel_queries() -> Iterator[PanelQuery]:
    """Of every committed dashboard, in order."""
    for path in sorted(GRAFANA.glob("*.json")):
        board = json.loads(path.read_text("utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield PanelQuery(board["uid"], panel["title"], target["expr"])
