"""Figures and findings of a report in words: the same ones in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cluster.distilling.report import NAMES, ROLES

_VERDICTS: Final = {
    "better": "The tuned student is better than before",
    "worse": "The tuned student is worse than before",
    "no_difference": "No difference was shown between the student before and after",
    "unknown": "Nothing can be said: no item was graded in both runs",
}
COMPARED: Final = "Item by item over those of both runs; differences in percentage points with 95 % intervals."
COSTS: Final = "Tokens of the eval's requests, and what they cost at the given prices. Cached prompt tokens count in full."
OTHER_VERDICTS: Final = {"better": "better", "worse": "worse", "no_difference": "no difference shown", "unknown": "not graded"}

Rows = list[tuple[str, ...]]


def headline(report: Mapping[str, Any]) -> str:
    compared = report["comparisons"]["before"]["pass_rate"]
    said = _VERDICTS[report["verdict"]]
    if compared is None:
        return f"{said}."
    before, after = percent(compared["before"]), percent(compared["after"])
    return f"{said}: {before} to {after} of {compared['items']} items, {difference(compared)}."


def remarks(report: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing the headline."""
    said = []
    gap = report["gap_closed"]
    if gap is not None:
        said.append(f"{gap * 100:.0f} % of the way from the student to its teacher.")
    learned, total = report["learned_items"], report["runs"]["after"]["result_counts"]["total"]
    if learned:
        said.append(
            f"{learned} of {total} items ask what a training example asks: they show what was learned by heart, "
            "and the student may be worse on what it has not seen."
        )
    for role in ROLES:
        errored = report["runs"][role]["result_counts"]["errored"]
        if errored:
            said.append(f"{NAMES[role]}: {errored} of {total} items had errors and are in no rate.")
    if report["regressions"]:
        said.append(f"Worse on other evals: {', '.join(_named(report['others'], report['regressions']))}.")
    return said


def run_rows(report: Mapping[str, Any]) -> Rows:
    rows: Rows = []
    for role in ROLES:
        run = report["runs"][role]
        counts = run["result_counts"]
        rows.append(
            (
                NAMES[role],
                run["model"],
                interval(run["pass_rate"]),
                str(counts["passed"]),
                str(counts["failed"]),
                str(counts["errored"]),
            )
        )
    return rows


def comparison_rows(report: Mapping[str, Any]) -> Rows:
    rows: Rows = []
    for name, against in (("before", "Student before"), ("teacher", "Teacher")):
        compared = report["comparisons"][name]
        rows.append(_compared(f"{against}, all criteria", compared["pass_rate"]))
        rows += [_compared(f"{against}, {each['testing_criteria']}", each["pass_rate"]) for each in compared["criteria"]]
    return rows


def other_rows(report: Mapping[str, Any]) -> Rows:
    return [(*_compared(each["name"], each["pass_rate"])[:5], OTHER_VERDICTS[each["verdict"]]) for each in report["others"]]


def cost_rows(report: Mapping[str, Any]) -> Rows:
    rows: Rows = []
    for role in ROLES:
        per = report["runs"][role]["per_1000_requests"]
        if per is None:
            rows.append((NAMES[role], "-", "-", "unknown: nothing was answered"))
            continue
        cost = "unknown: no price given" if per["cost"] is None else money(per["cost"])
        rows.append((NAMES[role], f"{per['prompt_tokens']:,.0f}", f"{per['completion_tokens']:,.0f}", cost))
    return rows


def cost_sentence(report: Mapping[str, Any]) -> str | None:
    """How the costs compare; ``None`` unless both are known and there is something to compare."""
    costs = {role: (report["runs"][role]["per_1000_requests"] or {}).get("cost") for role in ("after", "teacher")}
    after, teacher = costs["after"], costs["teacher"]
    if after is None or not teacher:
        return None
    return f"The tuned student costs {percent(after / teacher)} of its teacher for 1,000 requests like the eval's."


def training_rows(report: Mapping[str, Any]) -> Rows:
    training = report["training"]
    left_out = training["left_out"]
    lost = "unknown" if left_out is None else ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in left_out.items()) or "none"
    chosen = ", ".join(f"{name} {value}" for name, value in training["hyperparameters"].items())
    rows: Rows = [
        ("Examples", str(training["examples"])),
        ("Answers asked of the teacher", str(training["asked"])),
        ("Left out", lost),
        ("Tokens learned, over all epochs", f"{training['trained_tokens']:,}"),
        ("Hyperparameters", chosen),
        ("Seed", str(training["seed"])),
        ("From the job's creation to its end", f"{training['seconds']:,} s"),
        ("Fine-tuning job", training["job_id"]),
        ("Training file", training["file_id"]),
    ]
    if training["losses"]:
        rows.append(("Training loss, first and last", f"{training['losses'][0][1]:.3f}, {training['losses'][-1][1]:.3f}"))
    return rows


def percent(rate: float) -> str:
    return f"{rate * 100:.1f} %"


def interval(found: Mapping[str, float] | None) -> str:
    return "-" if found is None else f"{percent(found['estimate'])} ({percent(found['low'])} to {percent(found['high'])})"


def difference(compared: Mapping[str, Any]) -> str:
    found = compared["difference"]
    low, high = _points(found["low"]), _points(found["high"])
    return f"{_points(found['estimate'])} points ({low} to {high}, {found['confidence'] * 100:g} % interval)"


def money(amount: float) -> str:
    """Enough digits to tell small amounts apart."""
    if amount >= 1:
        return f"{amount:,.2f}"
    return f"{amount:.4f}" if amount >= 0.01 else f"{amount:.3g}"


def when(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _compared(name: str, compared: Mapping[str, Any] | None) -> tuple[str, ...]:
    if compared is None:
        return (name, "-", "-", "-", "-", "-")
    found = compared["difference"]
    return (
        name,
        percent(compared["before"]),
        percent(compared["after"]),
        _points(found["estimate"]),
        f"{_points(found['low'])} to {_points(found['high'])}",
        f"{compared['gained']} / {compared['lost']}",
    )


def _named(others: Iterable[Mapping[str, Any]], wanted: Sequence[str]) -> list[str]:
    return [each["name"] for each in others if each["eval_id"] in wanted]


def _points(share: float) -> str:
    return f"{share * 100:+.1f}"
