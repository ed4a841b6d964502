from __future__ import annotations

import pytest

from deploy.monitoring.complaints import complaints, labels_of_result, legend_complaints
from deploy.monitoring.series import Origin, Series

KNOWN = {
    series.name: series
    for series in (
        Series("a_total", frozenset({"model", "code"}), Origin.OSSATURE),
        Series("b_bucket", frozenset({"model", "le"}), Origin.OSSATURE),
        Series("v", frozenset({"model_name"}), Origin.VLLM),
    )
}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("sum by (model) (rate(a_total[5m]))", None),
        ("sum by (namespace, instance) (a_total)", None),
        ("histogram_quantile(0.9, sum by (le, model) (rate(b_bucket[5m])))", None),
        ('sum by (model) (label_replace(v, "model", "$1", "model_name", "(.*)"))', None),
        ("sum(c_total)", "there is no metric c_total"),
        ('a_total{colour="red"}', "a_total has no label colour"),
        ("sum by (colour) (a_total)", "none of ['a_total'] has it"),
        ("sum by (code) (b_bucket) / sum by (code) (a_total)", "none of ['b_bucket'] has it"),
        ("sum by (model) (v)", "none of ['v'] has it"),
        ("vector(1)", "no metric"),
        ("sum(a_total) by (model)", "sum by (label)"),
    ],
)
def test_what_is_wrong_with_an_expression(expression: str, words: str | None) -> None:
    found = list(complaints(expression, KNOWN))
    assert (found == []) if words is None else any(words in each for each in found), found


def test_a_legend_may_show_labels_of_the_outcome_only() -> None:
    assert list(legend_complaints("{{model}} {{ instance }}", "a_total", KNOWN)) == []
    assert list(legend_complaints("{{code}}", "sum by (model) (a_total)", KNOWN)) != []


def test_an_aggregation_leaves_the_labels_that_it_names() -> None:
    assert labels_of_result("sum by (model) (a_total)", KNOWN) == {"model"}
    assert labels_of_result("sum(a_total)", KNOWN) == frozenset()
