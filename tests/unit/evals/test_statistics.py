from __future__ import annotations

import math

import numpy as np
import pytest

from cluster.evals.grade import Fault, Grade, GradeError, ModelUsage
from cluster.evals.statistics import compare_rates, compare_scores, mean_interval, summarize, wilson
from cluster.evals.statistics.comparison import sign_test


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # By the formula with z = 1.959964: centre (p + z²/2n) / (1 + z²/n).
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (5, 10, 0.236593, 0.763407),
        # Newcombe (1998), table I, method 3 (score): 81 of 263; 15 of 148; 0 of 20; 1 of 29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)
    assert interval.estimate == successes / trials
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_no_rate_without_trials(successes: int, trials: int) -> None:
    with pytest.raises(ValueError):
        wilson(successes, trials)


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 2**6),
        (2, 8, 2 * (1 + 10 + 45) / 2**10),
        (1, 9, 2 * (1 + 10) / 2**10),
    ],
)
def test_mcnemars_exact_test(gained: int, lost: int, p_value: float) -> None:
    assert sign_test(gained, lost) == pytest.approx(p_value)
    assert sign_test(lost, gained) == pytest.approx(p_value)


def test_mcnemars_test_of_many_items_is_exact() -> None:
    tail = sum(math.comb(1000, lost) for lost in range(471))
    assert sign_test(530, 470) == pytest.approx(2 * tail / 2**1000, rel=1e-9)


def test_a_mean_interval_meets_the_normal_one_and_repeats_by_seed() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 400).tolist()
    interval = mean_interval(values, seed=1)
    half = 1.959964 * float(np.std(values)) / math.sqrt(400)
    assert interval.low == pytest.approx(interval.estimate - half, abs=0.03)
    assert interval.high == pytest.approx(interval.estimate + half, abs=0.03)
    assert mean_interval(values, seed=1) == interval
    assert mean_interval(values, seed=2) != interval


def test_equal_values_have_an_interval_of_no_width() -> None:
    interval = mean_interval([0.25] * 7)
    assert (interval.low, interval.estimate, interval.high) == (0.25, 0.25, 0.25)


def test_pairing_finds_what_unpaired_rates_blur() -> None:
    before = [index % 2 == 0 for index in range(200)]
    after = [passed or index % 20 == 1 for index, passed in enumerate(before)]
    comparison = compare_rates(before, after)
    assert (comparison.before, comparison.after) == (0.5, 0.55)
    assert (comparison.gained, comparison.lost) == (10, 0)
    assert comparison.p_value == pytest.approx(2 / 2**10)
    assert comparison.differs
    assert wilson(100, 200).high > wilson(110, 200).low


def test_runs_that_are_alike_do_not_differ() -> None:
    comparison = compare_scores([0.1, 0.5, 0.9], [0.1, 0.5, 0.9])
    assert (comparison.difference.low, comparison.difference.high, comparison.p_value) == (0.0, 0.0, 1.0)
    assert not comparison.differs


def test_unpaired_runs_are_refused() -> None:
    for sides in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            compare_scores(*sides)


def grade(score: float, passed: bool, error: bool = False, tokens: int = 0) -> Grade:
    usage = (ModelUsage("judge", 1, tokens, 1, 0),) if tokens else ()
    return Grade("g", "python", score, passed, GradeError(Fault.OTHER, "x") if error else None, usage=usage)


def test_a_summary_counts_items_and_criteria() -> None:
    items = [
        [grade(1, True), grade(1, True, tokens=10)],
        [grade(1, True), grade(0, False, tokens=20)],
        [grade(0, False), grade(0, False, error=True, tokens=5)],
        [grade(0, False), grade(0.5, True)],
    ]
    summary = summarize(items, ["exact", "judge"])
    assert summary.result_counts() == {"total": 4, "errored": 1, "failed": 2, "passed": 1}
    assert summary.pass_rate == wilson(1, 3)
    exact, judge = summary.criteria
    assert exact.to_json() == {"testing_criteria": "exact", "passed": 2, "failed": 2}
    assert (judge.passed, judge.failed, judge.errored) == (2, 1, 1)
    assert judge.to_json() == {"testing_criteria": "judge", "passed": 2, "failed": 2}
    assert judge.mean_score is not None
    assert judge.mean_score.estimate == pytest.approx(0.5)
    assert summary.usage == (ModelUsage("judge", 3, 35, 3, 0),)


def test_a_run_of_errors_alone_has_no_rate() -> None:
    summary = summarize([[grade(0, False, error=True)]], ["g"])
    assert summary.pass_rate is None
    assert summary.criteria[0].mean_score is None


def test_a_run_without_items_is_empty() -> None:
    assert summarize([], ["g"]).result_counts() == {"total": 0, "errored": 0, "failed": 0, "passed": 0}


def test_items_need_a_grade_for_each_criterion() -> None:
    with pytest.raises(ValueError, match="item 1"):
        summarize([[grade(1, True)], []], ["g"])
