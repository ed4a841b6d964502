"""The report as one page: nothing is fetched, nothing runs, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from cluster.distilling import wording
from cluster.distilling.charts import Bar, Charts
from cluster.distilling.report import NAMES, ROLES

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6573; --ground: #ffffff; --line: #dde2e8; --panel: #f6f8fa;
  --before: #8a94a3; --after: #1f6feb; --teacher: #8250df; --better: #1a7f37; --worse: #cf222e; --neutral: #5a6573; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa5b3; --ground: #0f141a; --line: #2a323d; --panel: #171e27;
  --before: #7d8794; --after: #58a6ff; --teacher: #bc8cff; --better: #3fb950; --worse: #ff7b72; --neutral: #9aa5b3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); } code { overflow-wrap: anywhere; }
.headline { margin: 1.5rem 0 .5rem; padding: 1rem 1.25rem; border-left: 4px solid var(--neutral); background: var(--panel);
  border-radius: 0 6px 6px 0; font-weight: 600; }
.headline.better { border-color: var(--better); } .headline.worse { border-color: var(--worse); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; } th { color: var(--soft); font-weight: 600; } td { font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; margin: 1rem 0; font: 13px system-ui, sans-serif; }
svg .label { fill: var(--soft); } svg .value { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; fill: none; } svg .line { stroke: var(--after); stroke-width: 2; fill: none; }
svg .before { fill: var(--before); } svg .after { fill: var(--after); } svg .teacher { fill: var(--teacher); }
svg .better { fill: var(--better); } svg .worse { fill: var(--worse); } svg .no_difference, svg .unknown { fill: var(--neutral); }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Mapping[str, Any]) -> str:
    charts = Charts()
    title = f"Distillation: {report['suffix']}"
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in wording.remarks(report))
    sections = [
        _rates(report, charts),
        _compared(report),
        _costs(report, charts),
        _others(report, charts),
        _training(report, charts),
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="soft">{escape(report["student"])} learned from {escape(report["teacher"])}; '
            f"finished {wording.when(report['finished_at'])}.</p>",
            f"<p>The model is <code>{escape(report['model'])}</code>.</p>",
            f'<p class="headline {report["verdict"]}">{escape(wording.headline(report))}</p>',
            f"<ul>{remarks}</ul>" if remarks else "",
            *sections,
            "</main>\n</body>\n</html>\n",
        ]
    )


def _rates(report: Mapping[str, Any], charts: Charts) -> str:
    bars = []
    for role in ROLES:
        rate = report["runs"][role]["pass_rate"]
        if rate is not None:
            estimate = rate["estimate"]
            bars.append(Bar(NAMES[role], estimate, wording.percent(estimate), role, rate["low"], rate["high"]))
    said = "; ".join(f"{bar.label} {bar.shown}" for bar in bars)
    ticks = [(share / 4, f"{share * 25} %") for share in range(5)]
    chart = charts.bars("Pass rates", f"With 95 % intervals: {said}.", bars, 1.0, ticks) if bars else "<p>Nothing was graded.</p>"
    table = _table(("Who", "Model", "Pass rate", "Passed", "Failed", "Errors"), wording.run_rows(report))
    lead = f'<p class="soft">Of the eval <code>{escape(report["eval_id"])}</code>, with 95 % intervals.</p>'
    return f"<h2>Pass rates</h2>{lead}{chart}{table}"


def _compared(report: Mapping[str, Any]) -> str:
    table = _table(("With", "There", "After", "Difference", "Interval", "Gained / lost"), wording.comparison_rows(report))
    return f'<h2>The student after, compared</h2><p class="soft">{wording.COMPARED}</p>{table}'


def _costs(report: Mapping[str, Any], charts: Charts) -> str:
    runs = report["runs"]
    known = {role: runs[role]["per_1000_requests"] for role in ROLES if runs[role]["per_1000_requests"] is not None}
    costs = {role: per["cost"] for role, per in known.items() if per["cost"] is not None}
    largest = max(costs.values(), default=0.0)
    chart = ""
    if largest > 0 and len(costs) > 1:
        bars = [Bar(NAMES[role], cost, wording.money(cost), role) for role, cost in costs.items()]
        said = "; ".join(f"{bar.label} {bar.shown}" for bar in bars)
        ticks = [(0.0, "0"), (largest, wording.money(largest))]
        chart = charts.bars("Cost of 1,000 requests", f"At the given prices: {said}.", bars, largest, ticks)
    sentence = wording.cost_sentence(report)
    table = _table(("Who", "Prompt tokens", "Completion tokens", "Cost"), wording.cost_rows(report))
    return f'<h2>For 1,000 requests</h2><p class="soft">{wording.COSTS}</p>{chart}{f"<p>{sentence}</p>" if sentence else ""}{table}'


def _others(report: Mapping[str, Any], charts: Charts) -> str:
    if not report["others"]:
        return "<h2>Other evals</h2><p>None was given (<code>--also</code>): nothing is known of regressions.</p>"
    bars = []
    for each in report["others"]:
        compared = each["pass_rate"]
        if compared is not None:
            found = {name: 100 * compared["difference"][name] for name in ("estimate", "low", "high")}
            shown = f"{found['estimate']:+.1f} points"
            bars.append(Bar(each["name"], found["estimate"], shown, each["verdict"], found["low"], found["high"]))
    said = "; ".join(f"{bar.label} {bar.shown}" for bar in bars)
    chart = (
        charts.differences("Other evals", f"Pass rate after less before, with 95 % intervals: {said}.", bars, "points")
        if bars
        else ""
    )
    table = _table(("Eval", "Before", "After", "Difference", "Interval", "Verdict"), wording.other_rows(report))
    return f"<h2>Other evals</h2>{chart}{table}"


def _training(report: Mapping[str, Any], charts: Charts) -> str:
    losses = report["training"]["losses"]
    chart = ""
    if len(losses) > 1:
        said = f"From {losses[0][1]:.3f} at step {losses[0][0]:g} to {losses[-1][1]:.3f} at step {losses[-1][0]:g}."
        chart = f'<p class="soft">Training loss by step</p>{charts.curve("Training loss", said, losses, "step")}'
    return f"<h2>Training</h2>{chart}{_table((), wording.training_rows(report))}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first cell of a row is its head."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    top = f"<thead><tr>{heads}</tr></thead>" if heads else ""
    return f'<div class="scroll"><table>{top}<tbody>{"".join(lines)}</tbody></table></div>'
