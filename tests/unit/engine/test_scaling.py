"""How many replicas a model should have: the table of ``cluster.engine.scaling``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.engine.scaling import SETTLING_S, Demand, Limits, replicas

LIMITS = Limits(target_ongoing_requests=10.0, max_forced_off_share=0.2)
BUSY = Demand(ongoing=18.0, running=2, wanted=2, prompts=100.0)
LATE = replace(BUSY, late=11.0)
FORCED_OFF = replace(BUSY, forced_off=21.0)


@pytest.mark.parametrize(("ongoing", "wanted"), [(0.0, 0), (1.0, 1), (10.0, 1), (10.5, 2), (40.0, 4)])
def test_load_alone_takes_as_many_as_hold_it(ongoing: float, wanted: int) -> None:
    assert replicas(replace(BUSY, ongoing=ongoing), LIMITS) == wanted


@pytest.mark.parametrize("demand", [LATE, FORCED_OFF])
def test_late_prompts_and_lost_affinity_each_ask_for_one_more(demand: Demand) -> None:
    assert replicas(demand, LIMITS) == 3


def test_a_large_fleet_grows_by_a_quarter() -> None:
    assert replicas(replace(LATE, ongoing=80.0, running=8, wanted=8), LIMITS) == 10


def test_load_can_ask_for_more_than_a_step() -> None:
    assert replicas(replace(LATE, ongoing=95.0), LIMITS) == 10


def test_lost_affinity_counts_only_where_it_is_asked_for() -> None:
    assert replicas(FORCED_OFF, replace(LIMITS, max_forced_off_share=None)) == 2


@pytest.mark.parametrize("demand", [LATE, FORCED_OFF])
def test_a_prompt_that_waits_for_itself_alone_asks_for_nothing(demand: Demand) -> None:
    assert replicas(replace(demand, ongoing=1.9), LIMITS) == 2


@pytest.mark.parametrize("demand", [LATE, FORCED_OFF])
def test_nothing_is_added_before_the_last_addition_shows(demand: Demand) -> None:
    assert replicas(replace(demand, running=2, wanted=3, settled_s=0.0), LIMITS) == 3
    assert replicas(replace(demand, settled_s=SETTLING_S - 1), LIMITS) == 2
    assert replicas(replace(demand, settled_s=SETTLING_S), LIMITS) == 3


@pytest.mark.parametrize("half", [replace(LATE, late=5.0), replace(FORCED_OFF, forced_off=10.0)])
def test_none_is_taken_away_while_it_is_nearly_too_bad(half: Demand) -> None:
    assert replicas(replace(half, ongoing=4.0), LIMITS) == 2
    assert replicas(replace(half, ongoing=4.0, late=half.late * 0.9, forced_off=half.forced_off * 0.9), LIMITS) == 1


def test_a_handful_of_prompts_says_nothing() -> None:
    assert replicas(replace(BUSY, ongoing=4.0, prompts=9.0, late=9.0), LIMITS) == 1


def test_none_is_taken_away_before_all_have_told_what_they_work_on() -> None:
    assert replicas(replace(BUSY, ongoing=0.0, silent=1), LIMITS) == 2
    assert replicas(replace(BUSY, ongoing=40.0, silent=1), LIMITS) == 4
    assert replicas(replace(BUSY, ongoing=0.0), LIMITS) == 0


def test_none_is_taken_away_while_an_upgrade_exchanges_them() -> None:
    assert replicas(replace(BUSY, ongoing=5.0, running=1, exchanging=True), LIMITS) == 2
    assert replicas(replace(BUSY, ongoing=5.0, running=1), LIMITS) == 1


@pytest.mark.parametrize("demand", [BUSY, LATE])
def test_none_is_given_up_while_none_runs(demand: Demand) -> None:
    """Nobody tells what they worked on: as long as it takes them to come back, requests are refused and nothing is ongoing."""
    gone = replace(demand, running=0, wanted=6)
    assert replicas(replace(gone, ongoing=0.0), LIMITS) == 6
    assert replicas(replace(gone, ongoing=5.0), LIMITS) == 6
    assert replicas(replace(gone, ongoing=75.0), LIMITS) == 8
