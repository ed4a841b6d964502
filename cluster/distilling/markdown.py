"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.distilling import wording


def markdown(report: Mapping[str, Any]) -> str:
    """The whole document. What comes from elsewhere can't begin markup."""
    parts = [
        f"# Distillation: {_plain(report['suffix'])}",
        f"{_plain(report['student'])} learned from {_plain(report['teacher'])}; finished {wording.when(report['finished_at'])}. "
        f"The model is `{report['model'].replace('`', '')}`.",
        f"**{_plain(wording.headline(report))}**",
        "\n".join(f"- {_plain(remark)}" for remark in wording.remarks(report)),
        f"## Pass rates\n\nOf the eval `{report['eval_id']}`, with 95 % intervals.",
        _table(("Who", "Model", "Pass rate", "Passed", "Failed", "Errors"), wording.run_rows(report)),
        f"## The student after, compared\n\n{wording.COMPARED}",
        _table(("With", "There", "After", "Difference", "Interval", "Gained / lost"), wording.comparison_rows(report)),
        f"## For 1,000 requests\n\n{wording.COSTS}",
        _table(("Who", "Prompt tokens", "Completion tokens", "Cost"), wording.cost_rows(report)),
        wording.cost_sentence(report) or "",
        "## Other evals",
        _table(("Eval", "Before", "After", "Difference", "Interval", "Verdict"), wording.other_rows(report))
        if report["others"]
        else "None was given (`--also`): nothing is known of regressions.",
        "## Training",
        _table(("", ""), wording.training_rows(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    escaped = "".join(f"\\{char}" if char in "\\`*[]|#" else char for char in " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
