"""``string_check``: two texts compared. Score 1 or 0; 1 passes."""

from __future__ import annotations

from cluster.evals.case import Case
from cluster.evals.definitions import StringCheck
from cluster.evals.graders.verdict import FAIL, PASS, Verdict


def check(operation: str, text: str, reference: str) -> bool:
    """``eq``, ``ne``: the same text or not. ``like``: ``reference`` occurs in ``text``; ``ilike``: whatever the case.

    Nothing is trimmed or normalized, and there are no wildcards. ``ilike`` folds case as Unicode does (ß and SS are alike).
    """
    match operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
        case "ilike":
            return reference.casefold() in text.casefold()
        case _:
            raise ValueError(f"no such operation: {operation}")


def grade(definition: StringCheck, case: Case) -> Verdict:
    text = case.fill_in(definition.input, "input")
    reference = case.fill_in(definition.reference, "reference")
    passed = check(definition.operation, text, reference)
    return Verdict(PASS if passed else FAIL, passed)
