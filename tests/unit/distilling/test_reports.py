"""Reports say what is known, in all three forms, and nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cluster.distilling.markdown import markdown
from cluster.distilling.page import page
from cluster.distilling.plan import Plan, Price, Source
from cluster.distilling.report import Prices, build_report, per_1000_requests, verdict
from cluster.distilling.state import State

LOSSES = [[step, 2.0 / step] for step in range(1, 40)]


def interval(estimate: float, margin: float = 0.05) -> dict[str, float]:
    return {"estimate": estimate, "low": max(0.0, estimate - margin), "high": min(1.0, estimate + margin), "confidence": 0.95}


def summary(rate: float | None, answered: int = 200) -> dict[str, Any]:
    passed = int(200 * (rate or 0.0))
    counts = {"total": 200, "errored": 0 if rate is not None else 200, "passed": passed, "failed": 200 - passed if rate else 0}
    requests = {"answered": answered, "prompt_tokens": 300 * answered, "completion_tokens": 50 * answered, "cached_tokens": 0}
    found = None if rate is None else interval(rate)
    return {"run_id": "evalrun_1", "result_counts": counts, "pass_rate": found, "criteria": [], "requests": requests}


def compared(before: float, after: float, margin: float = 0.05) -> dict[str, Any]:
    change = after - before
    difference = {"estimate": change, "low": change - margin, "high": change + margin, "confidence": 0.95}
    rate = {"items": 200, "before": before, "after": after, "difference": difference, "gained": 50, "lost": 4, "p_value": 0.001}
    rate["differs"] = abs(change) > margin
    items = {"paired": 200, "only_baseline": 0, "only_run": 0, "errored": 0}
    return {"items": items, "pass_rate": rate, "criteria": []}


def ungraded() -> dict[str, Any]:
    return {"items": {"paired": 200, "only_baseline": 0, "only_run": 0, "errored": 200}, "pass_rate": None, "criteria": []}


def finished(folder: Path, suffix: str = "triage", teacher: str = "gpt-oss-120b", **findings: Any) -> State:
    plan = Plan("http://c", teacher, "qwen3-8b", Source(metadata={"task": "triage"}), "eval_0123456789abcdef", suffix)
    state = State.begin(folder / "state.json", plan)
    known: dict[str, Any] = {
        "model": "ft:qwen3-8b:org_0123:triage:89abcdef01234567",
        "runs": {"before": summary(0.41), "after": summary(0.83), "teacher": summary(0.9)},
        "comparisons": {"before": compared(0.41, 0.83), "teacher": compared(0.9, 0.83)},
        "others": [
            {"eval_id": "eval_1", "name": "arithmetic", "comparison": compared(0.7, 0.62)},
            {"eval_id": "eval_2", "name": "politeness", "comparison": compared(0.9, 0.92)},
        ],
        "learned_items": 0,
        "finished_at": 1_758_000_000,
    }
    tuned = {"job_id": "ftjob-1", "model": known["model"], "trained_tokens": 120_000, "seed": 1, "losses": LOSSES}
    tuned |= {"hyperparameters": {"n_epochs": 3}, "created_at": 1_757_999_000, "finished_at": 1_757_999_900}
    store = {"file_id": "file-1", "examples": 400, "left_out": {"cut_off": 3}, "asked": 0}
    state.record(store=store, tune=tuned, publish=known | findings)
    return state


PRICED = Prices(Price(2.0, 8.0), Price(0.2, 0.8))


class Tags(HTMLParser):
    """What could fetch something, and the headings."""

    def __init__(self) -> None:
        super().__init__()
        self.fetching: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag in ("script", "link", "img", "iframe", "object") or {"src", "href", "srcset", "onload"} & {
            name for name, _ in attrs
        }:
            self.fetching.append(tag)


def test_the_page_is_whole_without_anything_else_and_its_charts_are_described(tmp_path: Path) -> None:
    made = page(build_report(finished(tmp_path), PRICED))
    tags = Tags()
    tags.feed(made)
    assert tags.fetching == []
    assert "url(" not in made
    charts = re.findall(r"<svg.*?</svg>", made, re.DOTALL)
    assert len(charts) == 4
    identifiers = []
    for chart in charts:
        tree = ElementTree.fromstring(chart)
        labelled = str(tree.get("aria-labelledby")).split()
        texts = {each.get("id"): each.text for each in tree if each.tag in ("title", "desc")}
        assert all(texts[each] for each in labelled)
        identifiers += labelled
        for each in tree.iter():
            assert "nan" not in str(each.attrib)
    assert len(set(identifiers)) == len(identifiers)
    for text in ("41.0 %", "83.0 %", "90.0 %", "+42.0", "Worse on other evals: arithmetic", "10.0 % of its teacher", "ftjob-1"):
        assert text in made


def test_bars_are_as_long_as_their_figures_say(tmp_path: Path) -> None:
    made = page(build_report(finished(tmp_path), PRICED))
    chart = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", made, re.DOTALL)[0])
    widths = {each.get("class"): float(str(each.get("width"))) for each in chart.iter() if each.tag == "rect"}
    assert widths["after"] / widths["before"] == pytest.approx(0.83 / 0.41, rel=0.01)


def test_without_prices_costs_are_called_unknown(tmp_path: Path) -> None:
    report = build_report(finished(tmp_path), Prices())
    assert [report["runs"][role]["per_1000_requests"]["cost"] for role in report["runs"]] == [None] * 3
    for made in (markdown(report), page(report)):
        assert made.count("unknown: no price given") == 3
        assert "of its teacher for 1,000" not in made
    one = build_report(finished(tmp_path), Prices(student=Price(1.0, 1.0)))
    assert "Cost of 1,000 requests" in page(one)
    assert "of its teacher for 1,000" not in page(one)


def test_what_was_never_graded_or_given_is_said_and_breaks_nothing(tmp_path: Path) -> None:
    runs = {role: summary(None, answered=0) for role in ("before", "after", "teacher")}
    nothing = {"before": ungraded(), "teacher": ungraded()}
    state = finished(
        tmp_path, runs=runs, comparisons=nothing, others=[{"eval_id": "eval_x", "name": "x", "comparison": ungraded()}]
    )
    state.outputs["tune"]["losses"] = []
    state.outputs["store"]["left_out"] = None
    report = build_report(state, PRICED)
    assert (report["verdict"], report["gap_closed"], report["regressions"]) == ("unknown", None, [])
    for made in (markdown(report), page(report)):
        assert "no item was graded in both runs" in made
        assert "nothing was answered" in made
        assert "200 of 200 items had errors" in made
    without = build_report(finished(tmp_path, others=[]), PRICED)
    assert "nothing is known of regressions" in markdown(without)
    assert "nothing is known of regressions" in page(without)


def test_items_that_were_trained_on_are_told(tmp_path: Path) -> None:
    report = build_report(finished(tmp_path, learned_items=7), PRICED)
    assert "7 of 200 items ask what a training example asks" in markdown(report)


def test_names_from_elsewhere_are_text_and_no_markup(tmp_path: Path) -> None:
    report = build_report(finished(tmp_path, teacher="<script>|[x](y)`*", model="ft:<b>`x"), PRICED)
    assert "<script>" not in page(report)
    assert "&lt;script&gt;" in page(report)
    assert "<script>" not in markdown(report)
    assert "\\|\\[x\\](y)" in markdown(report)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (compared(0.4, 0.8), "better"),
        (compared(0.8, 0.4), "worse"),
        (compared(0.4, 0.41), "no_difference"),
        (ungraded(), "unknown"),
    ],
)
def test_verdicts(found: dict[str, Any], said: str) -> None:
    assert verdict(found["pass_rate"]) == said


def test_costs_of_a_thousand_requests() -> None:
    requests = {"answered": 50, "prompt_tokens": 5000, "completion_tokens": 1000, "cached_tokens": 10}
    assert per_1000_requests(requests, Price(3.0, 5.0)) == {
        "prompt_tokens": 100_000,
        "completion_tokens": 20_000,
        "cost": pytest.approx(0.4),
    }
    assert per_1000_requests({**requests, "answered": 0}, Price(1, 1)) is None
