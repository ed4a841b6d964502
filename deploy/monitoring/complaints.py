"""What is wrong with an expression, as far as the known series tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deploy.monitoring.promql import NotUnderstood, groupings, selectors
from deploy.monitoring.series import OF_THE_TARGET, Series

_LEGEND = re.compile(r"{{\s*(\w+)\s*}}")
#: Those that keep no label unless they are told to.
_AGGREGATION = re.compile(r"\b(sum|min|max|avg|count)\s*\(")
_MADE = re.compile(r'label_replace\s*\(.*?,\s*"(\w+)"\s*,\s*"[^"]*"\s*,\s*"(\w+)"', re.DOTALL)


def complaints(expression: str, known: Mapping[str, Series]) -> Iterator[str]:
    """Metrics that do not exist, and labels that none of the metrics they are asked of has."""
    try:
        used, grouped = selectors(expression), groupings(expression)
    except NotUnderstood as error:
        yield str(error)
        return
    if not used:
        yield f"no metric in {expression!r}"
    made = {name for name, _ in _MADE.findall(expression)}
    for selector in used:
        series = known.get(selector.metric)
        if series is None:
            yield f"there is no metric {selector.metric}"
            continue
        for matcher in selector.matchers:
            if matcher.label not in series.labels | OF_THE_TARGET:
                yield f"{selector.metric} has no label {matcher.label}"
    for grouping in grouped:
        inside = [s for s in used if grouping.start <= s.start <= grouping.end and s.metric in known]
        labels = OF_THE_TARGET.union(made, *(known[selector.metric].labels for selector in inside))
        for label in grouping.labels:
            if label not in labels:
                yield f"{grouping.word} ({label}): none of {sorted({s.metric for s in inside})} has it"


def labels_of_result(expression: str, known: Mapping[str, Series]) -> frozenset[str]:
    """Labels that the outcome may carry: those of the outermost aggregation, or those of its metrics."""
    made = {name for name, _ in _MADE.findall(expression)}
    kept = [set(grouping.labels) for grouping in groupings(expression) if grouping.word == "by"]
    if kept or _AGGREGATION.search(expression):
        return frozenset(set[str]().union(*kept) | made)
    carried = OF_THE_TARGET.union(*(known[s.metric].labels for s in selectors(expression) if s.metric in known))
    return frozenset(carried | made)


def legend_complaints(legend: str, expression: str, known: Mapping[str, Series]) -> Iterator[str]:
    """Labels that a legend shows and the outcome has not."""
    carried = labels_of_result(expression, known)
    yield from (f"legend {legend!r}: no label {label} in the outcome" for label in _LEGEND.findall(legend) if label not in carried)
