"""Runs of evals, their reports and comparisons, as people read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cluster.cli.output import printable, when


def run_row(run: Mapping[str, Any]) -> tuple[object, ...]:
    counts = run["result_counts"]
    return (
        *(run["id"], run["name"], run["model"] or None, run["status"]),
        *(counts["passed"], counts["failed"], counts["errored"]),
        when(run["created_at"]),
    )


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """A summary of a run: its rate, then its criteria, then its tokens."""
    counts = report["result_counts"]
    who = f" of {report['model']}" if report["model"] else ""
    lines = [
        f"{printable(report['name'])}{printable(who)}: {report['status'].replace('_', ' ')}",
        f"{counts['total']} items: {counts['passed']} passed, {counts['failed']} failed, {counts['errored']} with errors",
        f"pass rate {_interval(report['pass_rate'])}",
    ]
    for each in report["criteria"]:
        errors = f", {each['errored']} with errors" if each["errored"] else ""
        lines.append(
            f"  {printable(each['testing_criteria'])}: pass rate {_interval(each['pass_rate'])}, "
            f"mean score {_interval(each['mean_score'])}{errors}"
        )
    for usage in report["per_model_usage"]:
        lines.append(
            f"  {printable(usage['model_name'])}: {usage['invocation_count']} answers, {usage['prompt_tokens']} prompt tokens "
            f"({usage['cached_tokens']} cached), {usage['completion_tokens']} completion tokens"
        )
    return lines


def comparison_rows(compared: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows = [("all criteria", compared["pass_rate"])]
    for each in compared["criteria"]:
        rows += [(f"{each['testing_criteria']}: passed", each["pass_rate"]), (f"{each['testing_criteria']}: score", each["score"])]
    return [_comparison_row(name, comparison) for name, comparison in rows if comparison is not None]


@contextmanager
def bar(name: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar on standard error, if that is a terminal; call what it gives with the run as it is."""
    if not sys.stderr.isatty():
        yield lambda run: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[outcome]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(escape(printable(name)[:40]), total=None, outcome="queued")

        def show(run: Mapping[str, Any]) -> None:
            counts, progress = run["result_counts"], run["progress"]
            outcome = f"{counts['passed']} passed, {counts['failed']} failed, {counts['errored']} errors"
            shown = outcome if progress["done"] or run["status"] != "queued" else "queued"
            bars.update(task, completed=progress["done"], total=progress["total"], outcome=shown)

        yield show


def _comparison_row(name: str, comparison: Mapping[str, Any]) -> tuple[object, ...]:
    difference = comparison["difference"]
    return (
        *(name, comparison["items"], f"{comparison['before']:.3f}", f"{comparison['after']:.3f}", f"{difference['estimate']:+.3f}"),
        f"{difference['low']:+.3f} to {difference['high']:+.3f}",
        *(comparison["gained"], comparison["lost"], f"{comparison['p_value']:.2g}", "yes" if comparison["differs"] else "no"),
    )


def _interval(interval: Mapping[str, float] | None) -> str:
    return "-" if interval is None else f"{interval['estimate']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
