"""Medians, quantiles, ratios, and the table made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arithmetic import best, median, per_cpu_second, per_token_us, quantile, ratio
from bench.live.table import Row, medians, ratios, render


def test_the_median_leaves_out_what_was_not_measured() -> None:
    assert median([3.0, None, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 2.5
    assert median([None]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_the_smallest_sample_that_enough_do_not_exceed(samples: list[float], fraction: float) -> None:
    found = quantile(samples, fraction)
    assert sum(sample <= found for sample in samples) >= fraction * len(samples)
    smaller = [sample for sample in samples if sample < found]
    assert len(smaller) < fraction * len(samples)


def test_of_a_hundred_samples_the_99th_is_the_last_but_one() -> None:
    assert quantile([float(number) for number in range(1, 101)], 0.99) == 99.0


@pytest.mark.parametrize("fraction", [0.0, 1.1])
def test_a_quantile_outside_of_its_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        quantile([1.0], fraction)


def test_the_best_depends_on_what_is_good() -> None:
    values = {"a": 2.0, "b": 1.0, "c": None}
    assert best(values, "lower") == ("b", 1.0)
    assert best(values, "higher") == ("a", 2.0)
    assert best({"c": None}, "lower") is None


def test_there_is_no_ratio_to_what_is_missing_or_not_positive() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is None
    assert ratio(3.0, 0.0) is None
    assert ratio(3.0, -1.0) is None


def test_processor_time_is_counted_by_token_and_by_second() -> None:
    assert per_token_us(0.5, 10_000) == 50.0
    assert per_token_us(0.5, 0) is None
    assert per_cpu_second(300, 0.25) == 1200.0
    assert per_cpu_second(300, 0.0) is None


def row(name: str, *, peer: bool, router_us: list[float], ttft_ms: list[float]) -> Row:
    rounds = [{"router_us_per_token": us, "ttft_p50_ms_alone": ms} for us, ms in zip(router_us, ttft_ms, strict=True)]
    return Row(name, name.title(), peer, rounds=list(rounds))


BARE = Row("bare", "Bare", False, rounds=[{"ttft_p50_ms_alone": ms} for ms in (2.0, 12.0, 4.0)])
OURS = row("ours", peer=False, router_us=[10.0, 11.0, 30.0], ttft_ms=[3.0, 13.5, 9.0])
QUICK = row("quick", peer=True, router_us=[22.0, 20.0, 21.0], ttft_ms=[4.0, 14.0, 6.0])
SLOW = row("slow", peer=True, router_us=[90.0, 80.0, 85.0], ttft_ms=[9.0, 19.0, 11.0])


def test_added_time_is_taken_off_the_bare_worker_of_the_same_round() -> None:
    # A round in which the whole machine was slow (the second) says nothing about what stands in front of the worker.
    assert medians(OURS, BARE)["added_p50_ms_alone"] == 1.5
    assert medians(QUICK, BARE)["added_p50_ms_alone"] == 2.0
    assert medians(BARE, BARE)["added_p50_ms_alone"] is None


def test_ratios_are_to_the_best_peer_and_not_to_ourselves() -> None:
    rows = [BARE, OURS, QUICK, SLOW]
    values = {each.name: medians(each, BARE) for each in rows}
    router = ratios(rows, values)["router_us_per_token"]
    assert router["best_peer"] == "quick"
    assert router["best_value"] == 21.0
    assert router["ours"] == pytest.approx(11.0 / 21.0)
    assert router["slow"] == pytest.approx(85.0 / 21.0)
    assert router["bare"] is None


def test_the_table_shows_ratios_and_why_a_row_has_none() -> None:
    gone = Row("gone", "Gone", True, unavailable="it can't be installed")
    rows = [BARE, OURS, QUICK, gone]
    values = {each.name: medians(each, BARE) for each in rows if each.unavailable is None}
    lines = render(rows, values, ratios(rows, values)).splitlines()
    assert "11.0 (0.52x)" in lines[3]
    assert "21.0 |" in lines[4]
    assert "not measured: it can't be installed" in lines[5]
    assert len({line.count("|") for line in lines}) == 1
