"""The report of a distillation: plain figures, from which its Markdown and its page are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cluster.distilling.plan import Price
from cluster.distilling.state import State

ROLES: Final = ("before", "after", "teacher")
NAMES: Final = {"before": "Student before", "after": "Student after", "teacher": "Teacher"}


@dataclass(frozen=True, slots=True)
class Prices:
    """``None``: not given, so that nothing is said of costs."""

    teacher: Price | None = None
    student: Price | None = None

    def of(self, role: str) -> Price | None:
        return self.teacher if role == "teacher" else self.student


def build_report(state: State, prices: Prices) -> dict[str, Any]:
    """Of a distillation that has finished. Rates are 0 to 1; costs are in the prices' currency."""
    plan, outputs = state.plan, state.outputs
    findings, tuned, stored = outputs["publish"], outputs["tune"], outputs["store"]
    models = {"before": plan.student, "after": findings["model"], "teacher": plan.teacher}
    others = [_other(each) for each in findings["others"]]
    return {
        "object": "distillation.report",
        "id": state.id,
        "created_at": state.created_at,
        "finished_at": findings["finished_at"],
        "suffix": plan.suffix,
        "teacher": plan.teacher,
        "student": plan.student,
        "model": findings["model"],
        "eval_id": plan.eval_id,
        "training": {
            "file_id": stored["file_id"],
            "examples": stored["examples"],
            "asked": stored["asked"],
            "left_out": stored["left_out"],
            **{name: tuned[name] for name in ("job_id", "trained_tokens", "hyperparameters", "seed", "losses")},
            "seconds": tuned["finished_at"] - tuned["created_at"],
        },
        "runs": {role: _run(findings["runs"][role], models[role], prices.of(role)) for role in ROLES},
        "comparisons": {
            name: {key: compared[key] for key in ("items", "pass_rate", "criteria")}
            for name, compared in findings["comparisons"].items()
        },
        "learned_items": findings["learned_items"],
        "verdict": verdict(findings["comparisons"]["before"]["pass_rate"]),
        "gap_closed": _gap_closed(findings["runs"]),
        "others": others,
        "regressions": [each["eval_id"] for each in others if each["verdict"] == "worse"],
    }


def verdict(compared: Mapping[str, Any] | None) -> str:
    """``better``, ``worse``, ``no_difference`` (the interval has zero in it) or ``unknown`` (no item was graded in both runs)."""
    if compared is None:
        return "unknown"
    if not compared["differs"]:
        return "no_difference"
    return "better" if compared["difference"]["estimate"] > 0 else "worse"


def _other(found: Mapping[str, Any]) -> dict[str, Any]:
    compared = found["comparison"]
    return {
        "eval_id": found["eval_id"],
        "name": found["name"],
        "items": compared["items"],
        "pass_rate": compared["pass_rate"],
        "verdict": verdict(compared["pass_rate"]),
    }


def _run(summary: Mapping[str, Any], model: str, price: Price | None) -> dict[str, Any]:
    requests = summary["requests"]
    return {
        "run_id": summary["run_id"],
        "model": model,
        "result_counts": summary["result_counts"],
        "pass_rate": summary["pass_rate"],
        "criteria": summary["criteria"],
        "requests": requests,
        "per_1000_requests": per_1000_requests(requests, price),
    }


def per_1000_requests(requests: Mapping[str, int], price: Price | None) -> dict[str, float | None] | None:
    """Tokens, and what they cost (``None`` without a price). ``None`` where nothing was answered.

    Cached prompt tokens count as prompt tokens.
    """
    answered = requests["answered"]
    if not answered:
        return None
    prompt, completion = (1000 * requests[name] / answered for name in ("prompt_tokens", "completion_tokens"))
    cost = None if price is None else (prompt * price.prompt + completion * price.completion) / 1e6
    return {"prompt_tokens": prompt, "completion_tokens": completion, "cost": cost}


def _gap_closed(runs: Mapping[str, Any]) -> float | None:
    """How much of the way from the student to the teacher was gone. ``None`` where the teacher was no better."""
    rates = {role: runs[role]["pass_rate"] for role in ROLES}
    if any(rate is None for rate in rates.values()):
        return None
    before, after, teacher = (float(rates[role]["estimate"]) for role in ROLES)
    return (after - before) / (teacher - before) if teacher > before else None
