from __future__ import annotations

import pytest

from deploy.monitoring.promql import Grouping, Matcher, NotUnderstood, groupings, narrowed, selectors


def metrics(expression: str) -> list[str]:
    return [selector.metric for selector in selectors(expression)]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up", ["up"]),
        ('sum by (model) (rate(a_total{code!="ok"}[5m])) / sum by (model) (rate(b_total[5m]))', ["a_total", "b_total"]),
        ("histogram_quantile(0.95, sum by (le) (rate(h_bucket[$__rate_interval])))", ["h_bucket"]),
        ("a unless on (instance) b offset 15m and c", ["a", "b", "c"]),
        ("(a or vector(0)) > bool 1e-3 * 2", ["a"]),
        ('label_replace(vllm:x{a="}, b (c"}, "model", "$1", "model_name", "(.*)")', ["vllm:x"]),
        ("max_over_time(rate(a_total[5m])[1h:1m])", ["a_total"]),
        ("count(a > 1) by (b)", NotUnderstood),
        ('{__name__=~"a.*"}', NotUnderstood),
        ("a{b=1}", NotUnderstood),
        ("a{b", NotUnderstood),
        ("a ? b", NotUnderstood),
        ("sum by (a", NotUnderstood),
    ],
)
def test_metrics_of_an_expression(expression: str, found: list[str] | type[Exception]) -> None:
    if isinstance(found, list):
        assert metrics(expression) == found
    else:
        with pytest.raises(found):
            selectors(expression)


def test_matchers_and_range_of_a_selector() -> None:
    (selector,) = selectors('rate(a_total{code=~"x|y", model!="m\\"n"}[5m])')
    assert selector.matchers == (Matcher("code", "=~", "x|y"), Matcher("model", "!=", 'm\\"n'))
    assert selector.range == "[5m]"


def test_a_grouping_knows_its_operand() -> None:
    expression = "sum by (a, b) (x) / on (c) group_left (d) y"
    by, on, left = groupings(expression)
    assert (by.word, by.labels, expression[by.start : by.end + 1]) == ("by", ("a", "b"), "(x)")
    assert (on, left) == (Grouping("on", ("c",), 0, len(expression)), Grouping("group_left", ("d",), 0, len(expression)))


def test_matchers_are_added_to_each_selector_that_has_none_for_the_label() -> None:
    def chosen(metric: str) -> tuple[Matcher, ...]:
        return () if metric == "up" else (Matcher("n", "=", "x"), Matcher("model", "=~", "$model"))

    assert narrowed('rate(a_total{model="m"}[5m]) / b and up', chosen) == (
        'rate(a_total{n="x",model="m"}[5m]) / b{n="x",model=~"$model"} and up'
    )


def test_an_expression_that_is_narrowed_twice_is_the_same() -> None:
    def chosen(_: str) -> tuple[Matcher, ...]:
        return (Matcher("n", "=", "x"),)

    once = narrowed('sum by (a) (rate(b{c!~"d"}[1m] offset 5m)) > (1 - $SHARE)', chosen)
    assert once == 'sum by (a) (rate(b{n="x",c!~"d"}[1m] offset 5m)) > (1 - $SHARE)'
    assert narrowed(once, chosen) == once
