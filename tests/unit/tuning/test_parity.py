from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from cluster.tuning.training.parity import Reason, Scored, Scores, judge


def scores(*log_probabilities: float, ids: tuple[int, ...] = (1, 2, 3, 4)) -> Scores:
    return Scores(
        rows=[Scored(ids=list(ids), prompt_tokens=len(ids) - len(log_probabilities), log_probabilities=list(log_probabilities))]
    )


BASE, TUNED = scores(-4.0, -5.0), scores(-0.1, -0.2)


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (scores(-0.1, -0.2), Reason.SAME_AS_TUNED),
        (scores(-0.13, -0.24), Reason.SAME_AS_TUNED),
        (scores(-4.0, -5.0), Reason.EQUAL_TO_BASE),
        (scores(-3.9, -5.2), Reason.EQUAL_TO_BASE),
        (scores(-1.6, -2.0), Reason.APART_FROM_TUNED),
        (scores(-9.0, 0.0), Reason.APART_FROM_TUNED),
        (scores(-math.inf, -0.2), Reason.APART_FROM_TUNED),
        (scores(math.nan, -0.2), Reason.APART_FROM_TUNED),
    ],
)
def test_an_adapter_is_accepted_only_if_it_is_served_as_it_was_trained(served: Scores, reason: Reason) -> None:
    verdict = judge(BASE, TUNED, served)
    assert verdict.reason is reason
    assert verdict.accepted == (reason is Reason.SAME_AS_TUNED)
    assert verdict.describe()


def test_rounding_is_allowed_for_a_small_effect_but_not_the_base() -> None:
    base, tuned = scores(-1.0, -1.0), scores(-0.96, -0.96)
    assert judge(base, tuned, scores(-0.95, -0.95)).accepted
    assert judge(base, tuned, base).reason is Reason.EQUAL_TO_BASE


def test_tuning_without_effect_is_not_published() -> None:
    assert judge(BASE, BASE, BASE).reason is Reason.NO_EFFECT


def test_scores_of_other_tokens_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different rows"):
        judge(BASE, TUNED, scores(-0.1, -0.2, ids=(1, 2, 3, 5)))


def test_each_completion_token_has_a_score() -> None:
    with pytest.raises(ValidationError, match="one log-probability"):
        Scored(ids=[1, 2, 3], prompt_tokens=1, log_probabilities=[-1.0])
